import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { type Stat, statIfPresent } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { shellWord } from "../cli/shell-word.ts";
import { closedDirectory } from "../explain/readable.ts";
import type { JailedUser } from "../jail/accounts/jailed-users.ts";
import { jailFindings, type SafetyRule } from "../jail/fs/safety.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { groupIdsOf, passwdByName } from "../system/accounts.ts";
import type { CheckFinding, Rule } from "./rules.ts";

// Whole trees of the host that must not be mounted in a jail.
const HOST_DIRECTORIES = ["/", "/etc", "/root", "/var", "/run", "/dev", "/sys", "/boot"];

/** A function that names the directory of the host that a directory of the jail is; undefined for all others. */
export function hostDirectories(root: JailRoot): (stat: Stat) => ByteString | undefined {
  const key = ({ devMajor, devMinor, ino }: Stat) => `${devMajor}:${devMinor}:${ino}`;
  const found = new Map<string, ByteString>();
  for (const path of HOST_DIRECTORIES) {
    const stat = statIfPresent(AT_FDCWD, path, true);
    if (stat !== undefined) found.set(key(stat), path);
  }
  for (const { path, stat } of root.ancestors) found.set(key(stat), path);
  return (stat) => found.get(key(stat));
}

/** The rules that find the same fault in any directory, as jailkit 2 did. */
const REPORTED_AS: Readonly<Partial<Record<SafetyRule, readonly Rule[]>>> = {
  "acl-writable": ["acl-entry"],
  // The group bits are the mask of an ACL.
  "group-writable": ["writable-for-group", "acl-entry"],
  "other-writable": ["writable-for-others"],
};

/** Findings about unsafe directories: those of the jail, and those above it. */
export function safetyFindings(root: JailRoot): CheckFinding[] {
  const above = new Set(root.ancestors.map(({ path }) => path));
  // Several symbolic links may lead to one directory.
  const found = new Map(jailFindings(root).map((one) => [`${one.rule} ${one.path}`, one]));
  return [...found.values()].map(({ path, rule, message, remedy }): CheckFinding => {
    if (above.has(path)) return { rule: "above-jail", path, message, remedy };
    const jailPath = path === root.path ? "/" : path.slice(root.path.length);
    const common = { rule: "unsafe-jail", path, jailPath, message, remedy } as const;
    if (rule === "owner") return { ...common, repair: { kind: "attributes", uid: 0 } };
    const reportedAs = REPORTED_AS[rule];
    return reportedAs === undefined ? common : { ...common, reportedAs };
  });
}

/** The jail's directory, or one above it, that users of the jail cannot pass. */
export function closedFindings(root: JailRoot, users: readonly JailedUser[]): CheckFinding[] {
  const closed = new Map<ByteString, ByteString>();
  for (const { name, jail } of users) {
    const real = jail === root.path ? passwdByName(name) : undefined;
    if (real === undefined) continue;
    const groups = groupIdsOf(name, real.gid);
    const path = closedDirectory(root, { uid: real.uid, gid: real.gid, groups });
    if (path !== undefined && !closed.has(path)) closed.set(path, name);
  }
  return [...closed].map(([path, name]): CheckFinding => {
    const message = `user ${display(name)} cannot pass ${display(path)}: no login in ${display(root.path)} works`;
    return { rule: "closed-directory", path, message, remedy: `chmod o+x ${shellWord(path)}` };
  });
}
