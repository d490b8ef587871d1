import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { type Stat, statIfPresent } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { typed } from "../cli/remedy.ts";
import { NoLogins, type Visitor } from "../explain/no-login.ts";
import { lookUp } from "../jail/fs/look.ts";
import { jailFindings, type SafetyRule } from "../jail/fs/safety.ts";
import { isDirectory, type JailRoot } from "../jail/fs/walk.ts";
import { hostNames } from "../system/host-files.ts";
import { advised, type CheckFinding, type Rule } from "./rules.ts";

// Whole trees of the host that must not be mounted in a jail.
const HOST_DIRECTORIES = ["/", "/etc", "/root", "/var", "/run", "/dev", "/sys", "/boot"];

/** A function that names the directory of the host that a directory of the jail is; undefined for all others. */
export function hostDirectories(root: JailRoot): (stat: Stat) => ByteString | undefined {
  const key = ({ devMajor, devMinor, ino }: Stat) => `${devMajor}:${devMinor}:${ino}`;
  const hosts = HOST_DIRECTORIES.map((path) => ({ path, stat: statIfPresent(AT_FDCWD, path, true) }));
  const found = new Map(
    [...hosts, ...root.ancestors].flatMap(({ path, stat }) =>
      stat === undefined ? [] : [[key(stat), path]],
    ),
  );
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
  return [...found.values()].map(({ path, rule, message, advice, inHome, isFile }): CheckFinding => {
    if (above.has(path)) return advised({ rule: "above-jail", path, message }, advice);
    const jailPath = path === root.path ? "/" : path.slice(root.path.length);
    const common = advised({ rule: "unsafe-jail", path, jailPath, message }, advice);
    // That would take a home from its user.
    if (rule === "owner" && !inHome && !isFile && typed(advice) !== "")
      return { ...common, repair: { kind: "attributes", uid: 0 } };
    return { ...common, reportedAs: REPORTED_AS[rule] };
  });
}

// Without these no program starts, and no account is found.
const NEEDED = ["/etc", "/usr", "/usr/bin", "/usr/lib", "/usr/lib64", "/bin", "/lib", "/lib64"];

/**
 * Directories that users of the jail cannot pass: the jail's, one above it, or one that a login needs; and files that they
 * cannot read. Paths for which `isRecorded` is true have other findings.
 */
export function closedFindings(
  root: JailRoot,
  users: readonly Visitor[],
  isRecorded: (path: ByteString) => boolean,
): CheckFinding[] {
  const needed = users.length === 0 ? [] : [...NEEDED, ...libraryDirectories(root)];
  return new NoLogins().closed(root, users, needed).flatMap(({ path, first, verb, remedy }) => {
    if (isRecorded(path)) return [];
    const rule = verb === "pass" ? "closed-directory" : "unreadable-accounts";
    const message = `user ${display(first.name)} cannot ${verb} ${display(path)}: no login in ${display(root.path)} works`;
    return [{ rule, path, message, remedy }];
  });
}

/** The directories of libraries for one kind of processor, such as /usr/lib/x86_64-linux-gnu. */
function libraryDirectories(root: JailRoot): ByteString[] {
  return ["/usr/lib", "/lib"].flatMap((above) => {
    if (!isRootsDirectory(lookUp(root, above)?.stat)) return [];
    const names = hostNames(root.path + above).filter((name) => name.includes("-linux-"));
    return names.map((name) => `${above}/${name}`);
  });
}

const isRootsDirectory = (stat: Stat | undefined) =>
  stat !== undefined && isDirectory(stat) && stat.uid === 0;
