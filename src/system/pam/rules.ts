import type { ByteString } from "../../../ffi/bytes.ts";

/** A line of a PAM service: pam.conf(5). */
export interface PamRule {
  /** A word, or what stands in brackets. */
  control: ByteString;
  /** The name of its file, without directories. */
  module: ByteString;
  arguments: ByteString[];
  /** A dash in front: where there is no such module, there is no such rule. */
  dispensable?: boolean;
  /** The rules that are run apart: their end is not the end of those around them. */
  substack?: PamRule[];
}

/** Somebody for whom a session is opened. */
export interface PamUser {
  name: ByteString;
  shell: ByteString;
  groups: readonly ByteString[];
}

/** The kinds of rules that a service has. */
export type PamKind = "auth" | "account" | "session";

const DEEPEST = 16;

/**
 * The rules of one kind of a service, those of files that it includes among them, in their order; a substack of others is
 * one rule. `read` gives the text of a service's file, by its name or path; undefined where it has none. Pure.
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

/** The rules of one kind of a service, substacks laid open: see pamRules. Pure. */
function flatRules(
  kind: PamKind,
  service: ByteString,
  read: (service: ByteString) => ByteString | undefined,
): PamRule[] {
  return flattened(pamRules(kind, service, read));
}

/** Rules with those of substacks in the place of these. Pure. */
export function flattened(rules: readonly PamRule[]): PamRule[] {
  return rules.flatMap((rule) => (rule.substack === undefined ? [rule] : flattened(rule.substack)));
}

/** The rules for sessions of a service: see flatRules. Pure. */
export function sessionRules(
  service: ByteString,
  read: (service: ByteString) => ByteString | undefined,
): PamRule[] {
  return flatRules("session", service, read);
}

/** Whether pam_env(8) of a service takes variables from ~/.pam_environment: sshd gives them to what it starts. Pure. */
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

/** Whether pam_succeed_if(8) says yes for the user; what is not known here counts as no. */
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

/** Whether pam_systemd(8) is called for the user, where a rule of pam_succeed_if(8) does not jump over it. Pure. */
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
