import { type ByteString, trim } from "../../../ffi/bytes.ts";

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

export type PamKind = "auth" | "account" | "session";

/** Returns the text of a service's file, by its name or path; undefined if missing. */
type ServiceReader = (service: ByteString) => ByteString | undefined;

const DEEPEST = 16;

/** The rules of one kind of a service, in order, with those of included files; a substack is one rule. Pure. */
export function pamRules(kind: PamKind, service: ByteString, read: ServiceReader, depth = 0): PamRule[] {
  const text = depth > DEEPEST ? undefined : read(service);
  const rules: PamRule[] = [];
  const below = (name: ByteString) => pamRules(kind, name, read, depth + 1);
  for (const line of (text ?? "").replaceAll("\\\n", " ").split("\n")) {
    const plain = trim(line.replace(/(?:^|[\t-\r ])#.*/, ""));
    const included = /^@include[\t-\r ]+([^\t-\r ]+)/.exec(plain)?.[1];
    if (included !== undefined) rules.push(...below(included));
    const [, dash = "", type = "", control = "", file = "", rest = ""] =
      /^(-?)(auth|account|session)[\t-\r ]+(\[[^\]]*\]|[^\t-\r ]+)[\t-\r ]+([^\t-\r ]+)[\t-\r ]*(.*)$/i.exec(
        plain,
      ) ?? [];
    if (type.toLowerCase() !== kind || file === "") continue;
    if (/^include$/i.test(control)) rules.push(...below(file));
    else if (/^substack$/i.test(control))
      rules.push({ control: "substack", module: file, arguments: [], substack: below(file) });
    else {
      const words = (rest.match(/\[(?:\\\]|[^\]])*\]|[^\t-\r ]+/g) ?? []).map((word) =>
        word.startsWith("[") && word.endsWith("]") ? word.slice(1, -1) : word,
      );
      const module = file.slice(file.lastIndexOf("/") + 1);
      rules.push({ control, module, arguments: words, ...(dash === "" ? {} : { dispensable: true }) });
    }
  }
  return rules;
}

/** The value of an option among the arguments of a rule, KEY=VALUE; undefined if it is not given. Pure. */
export const optionOf = (words: readonly ByteString[], key: string): ByteString | undefined =>
  words.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1);

/** Rules with substacks expanded. Pure. */
export function flattened(rules: readonly PamRule[]): PamRule[] {
  return rules.flatMap((rule) => (rule.substack === undefined ? [rule] : flattened(rule.substack)));
}

/**
 * True if pam_env(8) of a service reads ~/.pam_environment: sshd passes these variables to the programs that it starts.
 * Pure.
 */
export function readsUserEnvironment(service: ByteString, read: ServiceReader): boolean {
  const rules = (["auth", "session"] as const).flatMap((kind) => flattened(pamRules(kind, service, read)));
  return rules.some(({ module, arguments: words }) => {
    const last = optionOf(words.toReversed(), "user_readenv");
    return module === "pam_env.so" && !/^0*$/.test(last ?? "0");
  });
}
