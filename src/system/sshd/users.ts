import type { ByteString } from "../../../ffi/bytes.ts";
import { type Advice, inWords, type Remedy } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { userPattern } from "../account-name.ts";
import { JAILED_GROUP } from "../account-tools.ts";
import { namesOrigin } from "./origin.ts";
import { isOn, matchesPattern, type SshdSettings } from "./settings.ts";

/** Why sshd refuses a user by AllowUsers and similar; "unknown" if it depends on the address. */
interface UserRule {
  keyword: "DenyUsers" | "AllowUsers" | "DenyGroups" | "AllowGroups";
  outcome: "refused" | "unknown";
  message: ByteString;
  advice: Advice;
}

/**
 * The first of DenyUsers, AllowUsers, DenyGroups and AllowGroups by which sshd refuses a user; undefined if none does.
 * Pure.
 */
export function userRule(
  settings: SshdSettings,
  { name, groups }: { name: ByteString; groups: readonly ByteString[] },
  from: ByteString | undefined,
): UserRule | undefined {
  // sshd -T prints a line for each pattern, so one with a blank was quoted. Unlike in Match, a leading `!` is part of the
  // name.
  const listed = (keyword: string) => settings.get(keyword.toLowerCase()) ?? [];
  const line = (keyword: string, ...more: ByteString[]) =>
    [
      keyword,
      ...[...listed(keyword), ...more].map((one) => (/^[^"].*[\t-\r ]/.test(one) ? `"${one}"` : one)),
    ].join(" ");
  const namesGroup = (keyword: string) =>
    listed(keyword).some((pattern) => groups.some((group) => matchesPattern(group, pattern)));
  // USER or USER@HOST; undefined if it depends on the address.
  const namesLogin = (pattern: ByteString) => {
    const at = pattern.lastIndexOf("@");
    if (at < 0) return matchesPattern(name, pattern);
    const origin = pattern.slice(at + 1);
    return matchesPattern(name, pattern.slice(0, at)) && namesOrigin(origin, from, isOn(settings, "usedns"));
  };
  const named = (keyword: UserRule["keyword"]): boolean | undefined => {
    const answers = listed(keyword).map(namesLogin);
    return answers.includes(true) || (answers.includes(undefined) ? undefined : false);
  };
  const refused = (keyword: UserRule["keyword"], what: ByteString, advice: Advice): UserRule => {
    return { keyword, outcome: "refused", message: `${line(keyword)}: ${what}`, advice };
  };
  const fact =
    from === undefined
      ? "the client's address: ask with --from ADDRESS"
      : "the client's host name (UseDNS yes)";
  const unknown = (keyword: UserRule["keyword"]): UserRule => {
    return {
      keyword,
      outcome: "unknown",
      message: `${line(keyword)}: the answer depends on ${fact}`,
      advice: "",
    };
  };

  const denied = named("DenyUsers");
  const pattern = listed("DenyUsers").find((one) => namesLogin(one) === true);
  if (denied === true)
    return refused("DenyUsers", "names the user", inWords(`take ${pattern} out of DenyUsers`));
  if (denied === undefined) return unknown("DenyUsers");
  if (listed("AllowUsers").length > 0) {
    const allowed = named("AllowUsers");
    const add = `add the user to the line in sshd_config(5): ${line("AllowUsers", userPattern(name, "AllowUsers"))}`;
    if (allowed === false) return refused("AllowUsers", "does not name the user", inWords(add));
    if (allowed === undefined) return unknown("AllowUsers");
  }
  if (namesGroup("DenyGroups")) {
    const away = inWords("take the group out of DenyGroups, or the user out of the group");
    return refused("DenyGroups", "names a group of the user", away);
  }
  if (listed("AllowGroups").length > 0 && !namesGroup("AllowGroups")) {
    // Do not suggest other groups of the line: they may allow more, as sudo does.
    const there = listed("AllowGroups").includes(JAILED_GROUP);
    // Which knows accounts of a directory, unlike usermod(8).
    const join: Remedy = `groupadd -f -r ${JAILED_GROUP} && gpasswd -a ${operands(name, JAILED_GROUP)}`;
    const add = `add the group ${JAILED_GROUP} to the line in sshd_config(5): ${line("AllowGroups", JAILED_GROUP)}`;
    const words = groups.includes(JAILED_GROUP) ? add : `${add}; and type: ${join}`;
    return refused("AllowGroups", "names no group of the user", there ? join : inWords(words));
  }
  return undefined;
}
