import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import type { Stat } from "../../ffi/files.ts";
import { directoryOf, pathsDownTo } from "../../ffi/paths.ts";
import { type Credentials, MAY_EXECUTE, MAY_READ, mayAccess, withRightsOf } from "../../ffi/rights.ts";
import { display } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import type { Advice } from "../cli/remedy.ts";
import { GROUP, PASSWD } from "../jail/accounts/accounts.ts";
import { lookUp } from "../jail/fs/look.ts";
import { hostPath, isDirectory, type JailRoot, withDirectory } from "../jail/fs/walk.ts";
import { aclAt } from "../system/acl.ts";
import { commandAt } from "../system/exchange.ts";
import { isNoexec, remountCommand } from "../system/mounts.ts";
import { POLICY_FILE } from "../users/policy.ts";
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
export function isSameForUsers(path: ByteString, { uid, mode }: Stat, wanted: number): boolean {
  if (uid !== 0 || ((mode >> 3) & wanted) !== (mode & wanted)) return false;
  return aclAt(AT_FDCWD, path, true) === "none";
}

/** True if no program of a jail can be executed, since it is mounted noexec; the /usr of a live jail is another mount. */
export function isAllNoexec(root: JailRoot): boolean {
  if (!isNoexec(root.fd)) return false;
  return answered(() => withDirectory(root, "/usr", ({ fd }) => isNoexec(fd))) ?? true;
}

/** A directory that visitors pass, or a file that a login reads with their rights. */
interface Door {
  readonly path: ByteString;
  readonly stat: Stat;
  /** Of directories above the jail, which other jails have as well. */
  readonly isAbove?: boolean;
  readonly isFor: (visitor: Visitor) => boolean;
}

const all = () => true;

/** Files that are there, and the directories on the way to them. */
function doorsTo(root: JailRoot, files: readonly ByteString[], isFor: Door["isFor"]): Door[] {
  const found = files.flatMap((file) => answered(() => lookUp(root, file, { follow: true })) ?? []);
  const above = new Set(found.flatMap(({ canonicalPath }) => pathsDownTo(directoryOf(canonicalPath))));
  const statOf = (path: ByteString) => answered(() => withDirectory(root, path, ({ stat }) => stat));
  const ways = [...above].map((path) => ({ path, stat: statOf(path) }));
  return [...ways, ...found.map(({ canonicalPath: path, stat }) => ({ path, stat }))].flatMap(
    ({ path, stat }) => (stat === undefined ? [] : [{ path: hostPath(root, path), stat, isFor }]),
  );
}

/** Those on the way to homes, and to what is read. Those in the jail that are not root's may belong to anyone. */
function doorsOf(root: JailRoot, visitors: readonly Visitor[]): Door[] {
  const above = new Set(visitors.map(({ home }) => directoryOf(home)));
  const inside = new Set([...above].flatMap(pathsDownTo));
  const isLimited = ({ isLimited }: Visitor) => isLimited;
  return [
    ...root.ancestors.map(({ path, stat }) => ({ path, stat, isAbove: true, isFor: all })),
    { path: root.path, stat: root.top.stat, isFor: all },
    ...[...inside].flatMap((path) => {
      const stat = answered(() => lookUp(root, path))?.stat;
      const isDoor = stat !== undefined && isDirectory(stat) && stat.uid === 0;
      const isFor = ({ home }: Visitor) => home.startsWith(`${path}/`);
      return isDoor ? [{ path: hostPath(root, path), stat, isFor }] : [];
    }),
    ...doorsTo(root, [PASSWD, GROUP], all),
    ...(visitors.some(isLimited) ? doorsTo(root, [POLICY_FILE], isLimited) : []),
  ];
}

const wantedOf = ({ stat }: Door): number => (isDirectory(stat) ? MAY_EXECUTE : MAY_READ);

/** Asks about many jails, of which most are in the same directories. Only root can. */
export class NoLogins {
  /** Whether all can pass a directory above jails. */
  readonly #above = new Map<ByteString, boolean>();

  #isOpen(door: Door): boolean {
    const { path, stat, isAbove } = door;
    const wanted = wantedOf(door);
    const find = () => (stat.mode & wanted) === wanted && isSameForUsers(path, stat, wanted);
    return isAbove === true ? this.#above.getOrInsertComputed(path, find) : find();
  }

  /**
   * The directories that users cannot pass, and files that they cannot read. The kernel is asked only about what is not the same
   * for all.
   */
  #closed(root: JailRoot, visitors: readonly Visitor[]): NoLogin[] {
    const stopped = new Set<Visitor>();
    return doorsOf(root, visitors).flatMap((door): NoLogin[] => {
      if (this.#isOpen(door)) return [];
      const { path, isFor } = door;
      const wanted = wantedOf(door);
      const closed = visitors.filter(
        (one) =>
          !stopped.has(one) &&
          isFor(one) &&
          withRightsOf(one.rights(), () => !mayAccess(AT_FDCWD, path, wanted)),
      );
      const [first] = closed;
      if (first === undefined) return [];
      for (const one of closed) stopped.add(one);
      const more = closed.length === 1 ? "" : ` and ${closed.length - 1} more`;
      const [verb, letter] = wanted === MAY_READ ? ["read", "r"] : ["pass", "x"];
      const message = `${display(first.name)}${more} cannot ${verb} ${display(path)}: no login works`;
      return [{ message, advice: commandAt(path, accessRemedy(path, root.path, first.uid, letter)) }];
    });
  }

  /**
   * Why no login works in a jail, or in one that will be made in `root`: a directory on the way that users cannot pass, a file
   * that they cannot read, and a file system of which nothing can be executed. `isLive`: its /usr will be another one.
   */
  in(root: JailRoot, visitors: readonly Visitor[], isLive = false): NoLogin[] {
    const closed = this.#closed(root, visitors);
    if (isLive || !isAllNoexec(root)) return closed;
    const message = "nothing can be executed, since the file system is mounted noexec: no login works";
    return [...closed, { message, advice: remountCommand("exec", root.path) }];
  }
}
