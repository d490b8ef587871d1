import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { type Stat, statIfPresent } from "../../ffi/files.ts";
import { directoryOf, pathsDownTo } from "../../ffi/paths.ts";
import { type Credentials, MAY_EXECUTE, MAY_READ, mayAccess, withRightsOf } from "../../ffi/rights.ts";
import { display } from "../cli/display.ts";
import { isSameForUsers } from "../explain/no-login.ts";
import { accessRemedy, closedDirectory } from "../explain/readable.ts";
import { lookUp } from "../jail/fs/look.ts";
import { jailFindings, type SafetyRule } from "../jail/fs/safety.ts";
import { isDirectory, isRegular, type JailRoot } from "../jail/fs/walk.ts";
import { groupIdsOf, type PasswdEntry } from "../system/accounts.ts";
import { hostNames } from "../system/host-files.ts";
import { splitHome } from "../system/separator.ts";
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
    if (rule === "owner" && !inHome && !isFile) return { ...common, repair: { kind: "attributes", uid: 0 } };
    return { ...common, reportedAs: REPORTED_AS[rule] };
  });
}

// Without these no program starts, and no account is found.
const NEEDED = ["/etc", "/usr", "/usr/bin", "/usr/lib", "/usr/lib64", "/bin", "/lib", "/lib64"];

/** What users with one home directory cannot use; on the host. */
interface Obstacles {
  readonly closed: readonly ByteString[];
  readonly unreadable: readonly ByteString[];
}

/**
 * Directories that users of the jail cannot pass: the jail's, one above it, or one that a login needs; and account files
 * that they cannot read. Paths for which `isRecorded` is true have other findings. The kernel decides, once for users with
 * homes in the same directory if it gives all the same answer.
 */
export function closedFindings(
  root: JailRoot,
  users: readonly PasswdEntry[],
  isRecorded: (path: ByteString) => boolean,
): CheckFinding[] {
  const found = new Map<ByteString, CheckFinding>();
  const known = new Map<ByteString, Obstacles>();
  const files = ["/etc/passwd", "/etc/group"].flatMap((file) => {
    const stat = lookUp(root, file)?.stat;
    return stat !== undefined && isRegular(stat) ? root.path + file : [];
  });
  const way = [...root.ancestors.map(({ path }) => path), root.path];
  const needed = users.length === 0 ? [] : [...NEEDED, ...libraryDirectories(root)];
  for (const { name, uid, gid, home } of users) {
    const above = aboveHome(home);
    const key = above.at(-1) ?? "";
    let obstacles = uid === 0 ? undefined : known.get(key);
    if (obstacles === undefined) {
      const inside = [...needed, ...above].filter((path) => isRootsDirectory(lookUp(root, path)?.stat));
      const who = { uid, gid, groups: groupIdsOf(name, gid) };
      obstacles = obstaclesFor(root, inside, files, who);
      const directories = [...way, ...inside.map((path) => root.path + path)];
      const isAlikePassed = (path: ByteString) => isAlike(path, MAY_EXECUTE);
      if (directories.every(isAlikePassed) && files.every((path) => isAlike(path, MAY_READ)))
        known.set(key, obstacles);
    }
    const add = (rule: Rule, path: ByteString, what: string, letters: string) => {
      if (found.has(path) || isRecorded(path)) return;
      const message = `user ${display(name)} cannot ${what} ${display(path)}: no login in ${display(root.path)} works`;
      found.set(path, { rule, path, message, remedy: accessRemedy(path, root.path, uid, letters) });
    };
    for (const path of obstacles.closed) add("closed-directory", path, "pass", "x");
    for (const path of obstacles.unreadable) add("unreadable-accounts", path, "read", "r");
  }
  return [...found.values()];
}

function obstaclesFor(
  root: JailRoot,
  inside: readonly ByteString[],
  files: readonly ByteString[],
  who: Credentials,
): Obstacles {
  const above = closedDirectory(root, who);
  const closed = above === undefined ? closedInside(root, inside, who) : [above];
  if (closed.length > 0) return { closed, unreadable: [] };
  const unreadable = withRightsOf(who, () => files.filter((path) => !mayAccess(AT_FDCWD, path, MAY_READ)));
  return { closed, unreadable };
}

function isAlike(path: ByteString, wanted: number): boolean {
  const stat = attempt(() => statIfPresent(AT_FDCWD, path, true));
  return stat !== undefined && isSameForUsers(path, stat, wanted);
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

/** The directories above a home, as the jail sees them. */
const aboveHome = (home: ByteString): ByteString[] => pathsDownTo(directoryOf(splitHome(home)?.home ?? "/"));

/** Those of root's directories in the jail that `who` cannot pass; on the host. */
function closedInside(root: JailRoot, paths: readonly ByteString[], who: Credentials): ByteString[] {
  const closed = (path: ByteString) => !mayAccess(AT_FDCWD, root.path + path, MAY_EXECUTE);
  const found = withRightsOf(who, () => paths.filter(closed));
  // Below a closed directory nothing is known yet.
  return found
    .filter((path) => !found.some((above) => path.startsWith(`${above}/`)))
    .map((path) => root.path + path);
}
