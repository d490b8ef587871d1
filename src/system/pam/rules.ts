import type { ByteString } from "../../../ffi/bytes.ts";

/** A line of a PAM service: pam.conf(5). */
export interface PamRule {
  /** A word, or the part in brackets. */
  control: ByteString;
  /** The name of its file, without directories. */
  module: ByteString;
  arguments: ByteString[];
  /** With a leading dash: the rule is ignored if the module is missing. */
  dispensable?: boolean;
  /** The rules of a substack: they can end it, but not the rules around it. */
  substack?: PamRule[];
}

/** The user of a session. */
export interface PamUser {
  name: ByteString;
  shell: ByteString;
  groups: readonly ByteString[];
}

export type PamKind = "auth" | "account" | "session";

const DEEPEST = 16;

/**
 * The rules of one kind of a service, in order, with those of included files; a substack is one rule. `read` returns the
 * text of a service's file, by its name or path; undefined if missing. Pure.
 */
export function pamRules(
  kind: PamKind,
  service: ByteString,
  read: (service: ByteString) => ByteString | undefined,
  depth = 0,
): PamRule[] {
  const text = depth > DEEPEST ? undefined : read(service);
  const rules: PamRule[] = [];
  const below = (name: ByteString) => pamRules(kind, name, read, depth + 1);
  for (const line of (text ?? "").replaceAll("\\\n", " ").split("\n")) {
    const plain = line.replace(/(?:^|\s)#.*/, "").trim();
    const included = /^@include\s+(\S+)/.exec(plain)?.[1];
    if (included !== undefined) rules.push(...below(included));
    const [, dash = "", type = "", control = "", file = "", rest = ""] =
      /^(-?)(auth|account|session)\s+(\[[^\]]*\]|\S+)\s+(\S+)\s*(.*)$/i.exec(plain) ?? [];
    if (type.toLowerCase() !== kind || file === "") continue;
    if (/^include$/i.test(control)) rules.push(...below(file));
    else if (/^substack$/i.test(control))
      rules.push({ control: "substack", module: file, arguments: [], substack: below(file) });
    else {
      const words = (rest.match(/\[(?:\\\]|[^\]])*\]|\S+/g) ?? []).map((word) =>
        word.startsWith("[") && word.endsWith("]") ? word.slice(1, -1) : word,
      );
      const module = file.slice(file.lastIndexOf("/") + 1);
      rules.push({ control, module, arguments: words, ...(dash === "" ? {} : { dispensable: true }) });
    }
  }
  return rules;
}

/** The rules of one kind of a service, with substacks expanded: see pamRules. Pure. */
function flatRules(
  kind: PamKind,
  service: ByteString,
  read: (service: ByteString) => ByteString | undefined,
): PamRule[] {
  return flattened(pamRules(kind, service, read));
}

/** Rules with substacks expanded. Pure. */
export function flattened(rules: readonly PamRule[]): PamRule[] {
  return rules.flatMap((rule) => (rule.substack === undefined ? [rule] : flattened(rule.substack)));
}

/** The session rules of a service: see flatRules. Pure. */
export function sessionRules(
  service: ByteString,
  read: (service: ByteString) => ByteString | undefined,
): PamRule[] {
  return flatRules("session", service, read);
}

/**
 * True if pam_env(8) of a service reads ~/.pam_environment: sshd passes these variables to the programs that it starts.
 * Pure.
 */
export function readsUserEnvironment(
  service: ByteString,
  read: (service: ByteString) => ByteString | undefined,
): boolean {
  const option = "user_readenv=";
  const rules = (["auth", "session"] as const).flatMap((kind) => flatRules(kind, service, read));
  return rules.some(({ module, arguments: words }) => {
    const last = words.findLast((word) => word.startsWith(option));
    return module === "pam_env.so" && last !== undefined && !/^0*$/.test(last.slice(option.length));
  });
}

const FLAGS = new Set(["quiet", "quiet_success", "quiet_fail", "debug", "audit"]);

/** True if pam_succeed_if(8) succeeds for the user; unknown conditions count as failed. */
function succeeds(words: readonly ByteString[], { name, shell, groups }: PamUser): boolean {
  const conditions = words.filter((word) => !FLAGS.has(word));
  if (conditions.length === 0) return false;
  for (let at = 0; at < conditions.length; at += 3) {
    const [field, operator, value = ""] = conditions.slice(at, at + 3);
    if (field !== "user" && field !== "shell") return false;
    const is = field === "user" ? name : shell;
    const holds =
      (operator === "=" && value === is) ||
      (operator === "in" && value.split(":").includes(is)) ||
      (operator === "ingroup" &&
        field === "user" &&
        value.split(":").some((group) => groups.includes(group)));
    if (!holds) return false;
  }
  return true;
}

/** True if pam_systemd(8) is called for the user, unless a rule of pam_succeed_if(8) skips it. Pure. */
export function callsSystemd(rules: readonly PamRule[], user: PamUser): boolean {
  let jumped = 0;
  for (const { control, module, arguments: words } of rules) {
    if (jumped > 0) jumped--;
    else if (module === "pam_systemd.so") return true;
    else if (module === "pam_succeed_if.so" && succeeds(words, user))
      jumped = Number(/\bsuccess=(\d+)\b/.exec(control)?.[1] ?? 0);
  }
  return false;
}
