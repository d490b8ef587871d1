import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import type { Stat } from "../../ffi/files.ts";
import { directoryOf, pathsDownTo } from "../../ffi/paths.ts";
import { type Credentials, MAY_EXECUTE, mayAccess, withRightsOf } from "../../ffi/rights.ts";
import { display } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import type { Advice } from "../cli/remedy.ts";
import { lookUp } from "../jail/fs/look.ts";
import { hostPath, isDirectory, type JailRoot, withDirectory } from "../jail/fs/walk.ts";
import { aclAt } from "../system/acl.ts";
import { commandAt } from "../system/exchange.ts";
import { isNoexec, remountCommand } from "../system/mounts.ts";
import { accessRemedy } from "./readable.ts";

// Apart from home-fault.ts, whose checks of a login a run that has nothing to do need not load.

/** Who logs in. */
export interface Visitor {
  readonly name: ByteString;
  /** Undefined for an account that is not there yet, and gets any. */
  readonly uid: number | undefined;
  /** As the jail sees it. */
  readonly home: ByteString;
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

/** A directory that visitors pass. */
interface Door {
  readonly path: ByteString;
  readonly stat: Stat;
  /** Whose homes are behind it, as the jail sees it: "" for all. */
  readonly inside: ByteString;
}

/** Those on the way to homes. Those in the jail that are not root's may belong to anyone. */
function doorsOf(root: JailRoot, visitors: readonly Visitor[]): Door[] {
  const above = new Set(visitors.map(({ home }) => directoryOf(home)));
  const inside = new Set([...above].flatMap(pathsDownTo));
  return [
    ...root.ancestors.map(({ path, stat }) => ({ path, stat, inside: "" })),
    { path: root.path, stat: root.top.stat, inside: "" },
    ...[...inside].flatMap((path) => {
      const stat = answered(() => lookUp(root, path))?.stat;
      const isDoor = stat !== undefined && isDirectory(stat) && stat.uid === 0;
      return isDoor ? [{ path: hostPath(root, path), stat, inside: path }] : [];
    }),
  ];
}

/** Asks about many jails, of which most are in the same directories. Only root can. */
export class NoLogins {
  /** Whether all can pass a directory above jails. */
  readonly #above = new Map<ByteString, boolean>();

  #isOpen({ path, stat, inside }: Door, jail: ByteString): boolean {
    const find = () => (stat.mode & MAY_EXECUTE) !== 0 && isSameForUsers(path, stat, MAY_EXECUTE);
    return inside === "" && path !== jail ? this.#above.getOrInsertComputed(path, find) : find();
  }

  /** The directories that users cannot pass. The kernel is asked only about what is not the same for all. */
  #closed(root: JailRoot, visitors: readonly Visitor[]): NoLogin[] {
    const stopped = new Set<Visitor>();
    return doorsOf(root, visitors).flatMap((door): NoLogin[] => {
      if (this.#isOpen(door, root.path)) return [];
      const { path, inside } = door;
      const closed = visitors.filter(
        (one) =>
          !stopped.has(one) &&
          one.home.startsWith(`${inside}/`) &&
          withRightsOf(one.rights(), () => !mayAccess(AT_FDCWD, path, MAY_EXECUTE)),
      );
      const [first] = closed;
      if (first === undefined) return [];
      for (const one of closed) stopped.add(one);
      const more = closed.length === 1 ? "" : ` and ${closed.length - 1} more`;
      const message = `${display(first.name)}${more} cannot pass ${display(path)}: no login works`;
      return [{ message, advice: commandAt(path, accessRemedy(path, root.path, first.uid, "x")) }];
    });
  }

  /**
   * Why no login works in a jail, or in one that will be made in `root`: a directory on the way that users cannot pass, and a
   * file system of which nothing can be executed. `isLive`: its /usr will be another one.
   */
  in(root: JailRoot, visitors: readonly Visitor[], isLive = false): NoLogin[] {
    const closed = this.#closed(root, visitors);
    if (isLive || !isAllNoexec(root)) return closed;
    const message = "nothing can be executed, since the file system is mounted noexec: no login works";
    return [...closed, { message, advice: remountCommand("exec", root.path) }];
  }
}
