import type { ByteString } from "../../ffi/bytes.ts";
import { shellWord } from "../cli/shell-word.ts";
import type { SshdSettings } from "./sshd.ts";

/** Why sshd would not let somebody in by AllowUsers and the like; "unknown" where that depends on the address. */
export interface UserRule {
  keyword: "DenyUsers" | "AllowUsers" | "DenyGroups" | "AllowGroups";
  outcome: "refused" | "unknown";
  message: ByteString;
  remedy: ByteString;
}

/** A pattern of ssh_config(5): `*` and `?`. Pure. */
export function matchesPattern(text: ByteString, pattern: ByteString): boolean {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll("*", ".*").replaceAll("?", ".")}$`, "s").test(text);
}

/** A list of patterns, in which one with a `!` in front refuses whatever else matches. */
function matchesList(texts: readonly ByteString[], patterns: readonly ByteString[]): boolean {
  const matches = (pattern: ByteString) => texts.some((text) => matchesPattern(text, pattern));
  if (patterns.some((pattern) => pattern.startsWith("!") && matches(pattern.slice(1)))) return false;
  return patterns.some((pattern) => !pattern.startsWith("!") && matches(pattern));
}

/** Whether USER or USER@HOST names a login; undefined where it depends on where it comes from. */
function namesLogin(
  pattern: ByteString,
  name: ByteString,
  from: ByteString | undefined,
): boolean | undefined {
  const at = pattern.lastIndexOf("@");
  if (at < 0) return matchesPattern(name, pattern);
  if (!matchesPattern(name, pattern.slice(0, at))) return false;
  const host = pattern.slice(at + 1);
  if (host === "*") return true;
  if (from === undefined || host.includes("/")) return undefined;
  // It may be the name of the host, too, if sshd looks that up.
  return matchesPattern(from, host) ? true : /^[\d.:a-f*?]+$/.test(host) ? false : undefined;
}

/**
 * By which of DenyUsers, AllowUsers, DenyGroups and AllowGroups sshd would refuse somebody, in its order; undefined
 * where by none. Pure.
 */
export function userRule(
  settings: SshdSettings,
  { name, groups }: { name: ByteString; groups: readonly ByteString[] },
  from: ByteString | undefined,
): UserRule | undefined {
  const listed = (keyword: string) =>
    (settings.get(keyword.toLowerCase()) ?? []).flatMap((line) =>
      line.split(/\s+/).filter((word) => word !== ""),
    );
  const named = (keyword: UserRule["keyword"]): boolean | undefined => {
    const answers = listed(keyword).map((pattern) => namesLogin(pattern, name, from));
    return answers.includes(true) ? true : answers.includes(undefined) ? undefined : false;
  };
  const rule = (
    keyword: UserRule["keyword"],
    outcome: UserRule["outcome"],
    what: ByteString,
    remedy: ByteString,
  ): UserRule => ({ keyword, outcome, message: `${keyword} ${listed(keyword).join(" ")}: ${what}`, remedy });
  const open = "whether it means this login depends on where it comes from: ask with --from ADDRESS";

  const denied = named("DenyUsers");
  if (denied === true) return rule("DenyUsers", "refused", "names the user", `take ${name} out of DenyUsers`);
  if (denied === undefined) return rule("DenyUsers", "unknown", open, "");
  if (listed("AllowUsers").length > 0) {
    const allowed = named("AllowUsers");
    const remedy = `add the user to the line in sshd_config(5): AllowUsers ${listed("AllowUsers").join(" ")} ${name}`;
    if (allowed === false) return rule("AllowUsers", "refused", "does not name the user", remedy);
    if (allowed === undefined) return rule("AllowUsers", "unknown", open, "");
  }
  if (listed("DenyGroups").length > 0 && matchesList(groups, listed("DenyGroups"))) {
    const remedy = `take the group out of DenyGroups, or the user out of the group`;
    return rule("DenyGroups", "refused", "names a group of the user", remedy);
  }
  if (listed("AllowGroups").length > 0 && !matchesList(groups, listed("AllowGroups"))) {
    const [group = "GROUP"] = listed("AllowGroups").filter((one) => /^[\w-]+$/.test(one));
    return rule(
      "AllowGroups",
      "refused",
      "names no group of the user",
      `usermod -aG ${group} ${shellWord(name)}`,
    );
  }
  return undefined;
}
