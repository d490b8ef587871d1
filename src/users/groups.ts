import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { operands } from "../cli/shell-word.ts";
import { didYouMean } from "../cli/suggest.ts";
import { namesIn } from "../system/account-names.ts";
import { JAILED_GROUP, MAKE_JAILED_GROUP } from "../system/account-tools.ts";
import { type GroupEntry, groupByGid, groupByName } from "../system/accounts.ts";

function noSuchGroup(word: ByteString): JailkitError {
  const hint = didYouMean(word, namesIn("/etc/group"));
  const make = word === JAILED_GROUP ? MAKE_JAILED_GROUP.join(" ") : `groupadd ${operands(word)}`;
  const remedy = /^[A-Za-z_][\w.-]*$/.test(word) ? `; '${make}' makes it` : "";
  return new JailkitError("no-such-group", 1, `there is no group ${quoted(word)}${hint}${remedy}`);
}

/**
 * The group of the host that a name or, where there is none of that name, a gid stands for. Throws JailkitError
 * "no-such-group", with one of a similar name.
 */
export function requireGroup(word: ByteString): GroupEntry {
  const named = word === "" ? undefined : groupByName(word);
  const found = named ?? (/^\d{1,10}$/.test(word) ? groupByGid(Number(word)) : undefined);
  if (found === undefined) throw noSuchGroup(word);
  return found;
}

/** The groups of a list with commas, as -G of useradd(8) takes it; each once. Throws as requireGroup does. */
export function requireGroups(list: ByteString): GroupEntry[] {
  const found = new Map<number, GroupEntry>();
  for (const word of list.split(",")) {
    const group = requireGroup(word.trim());
    found.set(group.gid, group);
  }
  return [...found.values()];
}

// By what they can read, write or start, or by what sudo lets them; adm reads logs alone.
const ADMINISTRATORS = new Set([
  ...["root", "sudo", "wheel", "admin", "docker", "lxd", "incus-admin", "libvirt", "disk", "shadow", "kmem"],
]);

/**
 * A printable line where an account is in groups, or would be, that can make it root; undefined where it is not. `primary`:
 * the name of its primary group. `isThere`: the account exists, and can be taken out.
 */
export function groupWarning(
  name: ByteString,
  primary: ByteString,
  others: readonly ByteString[],
  isThere: boolean,
): string | undefined {
  const found = [...new Set([primary, ...others])].filter((group) => ADMINISTRATORS.has(group));
  if (found.length === 0) return undefined;
  const leave = (group: ByteString) =>
    group === primary ? `usermod -g users ${operands(name)}` : `gpasswd -d ${operands(name, group)}`;
  const what = `of the ${found.length === 1 ? "group" : "groups"} ${found.map(quoted).join(", ")}`;
  const remedy = isThere ? `take it out: ${found.map(leave).join(" && ")}` : "leave that out";
  return `a member ${what} can become root on most machines; unless that is meant, ${remedy}`;
}
