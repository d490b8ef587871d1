import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import type { Stat } from "../../ffi/files.ts";
import { directoryOf, pathsDownTo } from "../../ffi/paths.ts";
import { type Credentials, MAY_EXECUTE, MAY_READ, mayAccess, withRightsOf } from "../../ffi/rights.ts";
import { andMore, display } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { type Advice, type Remedy, withAdvice } from "../cli/remedy.ts";
import { GROUP, PASSWD } from "../jail/accounts/accounts.ts";
import { isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { lookUp } from "../jail/fs/look.ts";
import { hostPath, isDirectory, isRegular, type JailRoot, withDirectory } from "../jail/fs/walk.ts";
import { groupIdsOf, type PasswdEntry } from "../system/accounts.ts";
import { aclAt } from "../system/acl.ts";
import { commandAt } from "../system/exchange.ts";
import { asideCommand } from "../system/free-name.ts";
import { below } from "../system/mountinfo.ts";
import { isNoexec, remountCommand } from "../system/mounts.ts";
import { homeInJail } from "../system/separator.ts";
import { LIMITED_SHELL } from "../users/open-jail.ts";
import { DROP_INS, dropIns, POLICY_FILE } from "../users/policy.ts";
import { accessRemedy } from "./readable.ts";

// Apart from home-fault.ts, whose checks of a login a run that has nothing to do need not load.

/** Who logs in. */
export interface Visitor {
  readonly name: ByteString;
  /** Undefined for an account that is not there yet, and gets any. */
  readonly uid: number | undefined;
  /** As the jail sees it. */
  readonly home: ByteString;
  /** The shell in the jail is the limited one, which reads its rules with the rights of its user. */
  readonly isLimited: boolean;
  readonly rights: () => Credentials;
}

/** Why no login of users works, whatever their own files are: a printable line, and what helps. */
export interface NoLogin {
  readonly message: string;
  readonly advice: Advice;
}

/** True if the answer is the same for all users but root, whatever their groups: root owns it, and it has no ACL. */
function isSameForUsers(path: ByteString, { uid, mode }: Stat, wanted: number): boolean {
  if (uid !== 0 || ((mode >> 3) & wanted) !== (mode & wanted)) return false;
  return aclAt(AT_FDCWD, path, true) === "none";
}

/** True if no program of a jail can be executed, since it is mounted noexec; the /usr of a live jail is another mount. */
export function isAllNoexec(root: JailRoot): boolean {
  if (!isNoexec(root.fd)) return false;
  return answered(() => withDirectory(root, "/usr", ({ fd }) => isNoexec(fd))) ?? true;
}

/** A directory that visitors pass, or a file or directory that a login reads with their rights. */
interface Door {
  readonly path: ByteString;
  readonly stat: Stat;
  readonly wanted: number;
  /** Of directories above the jail, which other jails have as well. */
  readonly isAbove?: boolean;
  readonly isFor: (visitor: Visitor) => boolean;
}

/** A door that some cannot use. */
interface ClosedDoor extends Pick<Door, "path"> {
  /** The first of them, and how many there are. */
  readonly first: Visitor;
  readonly count: number;
  readonly verb: "read" | "pass";
  readonly remedy: Remedy;
}

const all = () => true;

/** A user of this machine. `shell`: in the jail. `joins`: the ids of groups that the account gets besides its own. */
export const visitorOf = (
  { name, uid, gid, home }: PasswdEntry,
  shell: ByteString,
  joins: readonly number[] = [],
): Visitor => ({
  ...{ name, uid, home: homeInJail(home), isLimited: isLimitedShell(shell) },
  rights: () => ({ uid, gid, groups: [...groupIdsOf(name, gid), ...joins] }),
});

/** Files and directories that are read, as far as they are there, and the directories on the way to them. */
function doorsTo(root: JailRoot, read: readonly ByteString[], isFor: Door["isFor"]): Door[] {
  const found = read.flatMap((path) => answered(() => lookUp(root, path, { follow: true })) ?? []);
  const above = new Set(found.flatMap(({ canonicalPath }) => pathsDownTo(directoryOf(canonicalPath))));
  const ways = [...above].flatMap((path) => {
    const stat = answered(() => withDirectory(root, path, ({ stat }) => stat));
    return stat === undefined ? [] : [{ path, stat, wanted: MAY_EXECUTE }];
  });
  const ends = found.map(({ canonicalPath: path, stat }) => {
    return { path, stat, wanted: isDirectory(stat) ? MAY_READ | MAY_EXECUTE : MAY_READ };
  });
  return [...ways, ...ends].map((door) => ({ ...door, path: hostPath(root, door.path), isFor }));
}

/** Why the limited shell of a jail refuses all: something else is in the place of its rules, or a link that leads nowhere. */
function withoutRules(root: JailRoot): NoLogin[] {
  const isThere = answered(() => lookUp(root, POLICY_FILE)) !== undefined;
  const end = isThere ? answered(() => lookUp(root, POLICY_FILE, { follow: true })) : undefined;
  if (!isThere || (end !== undefined && isRegular(end.stat))) return [];
  const path = hostPath(root, POLICY_FILE);
  const message = `${display(path)} is not a file: no login with ${LIMITED_SHELL} works`;
  return [{ message, advice: commandAt(path, asideCommand(path)) }];
}

/** The rules of the limited shell, which it reads with the rights of its user. */
const ruleFiles = (root: JailRoot) => [POLICY_FILE, DROP_INS, ...(answered(() => dropIns(root)) ?? [])];

/**
 * Those on the way to homes, to what is read, and `needed` ones. Those in the jail that are not root's may belong to anyone.
 */
function doorsOf(root: JailRoot, visitors: readonly Visitor[], needed: readonly ByteString[]): Door[] {
  const above = new Set(visitors.map(({ home }) => directoryOf(home)));
  const isLimited = ({ isLimited }: Visitor) => isLimited;
  const inside = (path: ByteString, isFor: Door["isFor"]): Door[] => {
    const stat = answered(() => lookUp(root, path))?.stat;
    const isDoor = stat !== undefined && isDirectory(stat) && stat.uid === 0;
    return isDoor ? [{ path: hostPath(root, path), stat, wanted: MAY_EXECUTE, isFor }] : [];
  };
  return [
    ...root.ancestors.map(({ path, stat }) => ({
      path,
      stat,
      isAbove: true,
      wanted: MAY_EXECUTE,
      isFor: all,
    })),
    { path: root.path, stat: root.top.stat, wanted: MAY_EXECUTE, isFor: all },
    ...needed.flatMap((path) => inside(path, all)),
    ...[...new Set([...above].flatMap(pathsDownTo))].flatMap((path) =>
      inside(path, ({ home }) => home.startsWith(`${path}/`)),
    ),
    ...doorsTo(root, [PASSWD, GROUP], all),
    ...(visitors.some(isLimited) ? doorsTo(root, ruleFiles(root), isLimited) : []),
  ];
}

/** Asks about many jails, of which most are in the same directories. Only root can. */
export class NoLogins {
  /** Whether all can pass a directory above jails. */
  readonly #above = new Map<ByteString, boolean>();

  #isOpen({ path, stat, wanted, isAbove }: Door): boolean {
    const find = () => (stat.mode & wanted) === wanted && isSameForUsers(path, stat, wanted);
    return isAbove === true ? this.#above.getOrInsertComputed(path, find) : find();
  }

  /**
   * The directories that users cannot pass, and files that they cannot read; of one below another, nothing is known. `needed`:
   * directories of the jail that all must pass. The kernel is asked only about what is not the same for all.
   */
  closed(root: JailRoot, visitors: readonly Visitor[], needed: readonly ByteString[] = []): ClosedDoor[] {
    const stopped = new Map<Visitor, ByteString[]>();
    return doorsOf(root, visitors, needed).flatMap((door): ClosedDoor[] => {
      if (this.#isOpen(door)) return [];
      const { path, wanted, isAbove, isFor } = door;
      const closed = visitors.filter(
        (one) =>
          isFor(one) &&
          stopped.get(one)?.some((above) => below(path, above) !== undefined) !== true &&
          withRightsOf(one.rights(), () => !mayAccess(AT_FDCWD, path, wanted)),
      );
      const [first] = closed;
      if (first === undefined) return [];
      // A symbolic link may be on the way to the jail.
      const known = isAbove === true ? "/" : path;
      for (const one of closed) stopped.getOrInsertComputed(one, () => []).push(known);
      const letters = `${wanted & MAY_READ ? "r" : ""}${wanted & MAY_EXECUTE ? "x" : ""}`;
      const remedy = accessRemedy(path, root.path, first.uid, letters);
      return [{ path, first, count: closed.length, verb: wanted & MAY_READ ? "read" : "pass", remedy }];
    });
  }

  /**
   * Why no login works in a jail, or in one that will be made in `root`: a directory on the way that users cannot pass, a file
   * that they cannot read, and a file system of which nothing can be executed. `isLive`: its /usr will be another one; `needed`: as
   * of closed().
   */
  in(
    root: JailRoot,
    visitors: readonly Visitor[],
    isLive = false,
    needed: readonly ByteString[] = [],
  ): NoLogin[] {
    const closed = this.closed(root, visitors, needed).map(
      ({ path, first, count, verb, remedy }): NoLogin => {
        const message = `${display(first.name)}${andMore(count - 1)} cannot ${verb} ${display(path)}: no login works`;
        return { message, advice: commandAt(path, remedy) };
      },
    );
    if (visitors.some(({ isLimited }) => isLimited)) closed.push(...withoutRules(root));
    if (isLive || !isAllNoexec(root)) return closed;
    const message = "nothing can be executed, since the file system is mounted noexec: no login works";
    return [...closed, { message, advice: remountCommand("exec", root.path) }];
  }
}

/**
 * Why no login of a user of a jail works, as printable lines, with what helps. `joins`: the ids of groups that the account gets;
 * `shell`: that of its line in the jail. Only root can ask.
 */
export function noLoginLines(
  root: JailRoot,
  user: PasswdEntry,
  joins: readonly number[],
  shell: ByteString = LIMITED_SHELL,
): ByteString[] {
  const found = new NoLogins().in(root, [visitorOf(user, shell, joins)]);
  return found.map(({ message, advice }) => withAdvice(message, advice));
}
