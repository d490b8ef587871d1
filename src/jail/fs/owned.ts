import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import {
  close,
  type DirectoryEntry,
  fstat,
  openAt,
  ownerAt,
  readEntries,
  type Stat,
  sameFile,
} from "../../../ffi/files.ts";
import { quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { stopIfInterrupted } from "../../cli/interrupt.ts";
import { onlyRootWrites } from "../../system/exchange.ts";
import { below, type Mount, ownMounts } from "../../system/mountinfo.ts";
import { isReadOnly, keepsTimes, kernelFileSystem } from "../../system/mounts.ts";
import { hostSystemOf } from "./host-mounts.ts";
import { liveState } from "./live-mounts.ts";
import { hostPath, type JailRoot, joinPath, namedError } from "./walk.ts";

const DIRECTORY = C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW | C.O_NONBLOCK;
// Users may nest directories without limit, and a process has not so many descriptors.
const MOST_OPEN = 64;
const CLOSED = -1;
/** The code of the error for files that change while one looks. */
export const CHANGES = "files-change";

/** What has a uid in a jail. */
export interface Owned {
  /** One of these files, as the jail sees it. */
  readonly path: ByteString;
  /** The names at the jail's root that they are below. */
  readonly tops: ReadonlySet<ByteString>;
  /** Whether one of them is on a read-only mount. */
  readonly isReadOnly: boolean;
}

/** A directory on the way down. */
interface Level {
  readonly name: ByteString;
  readonly stat: Stat;
  /** CLOSED for one far above. */
  fd: number;
  /** Directories in it that are still to be entered. */
  readonly left: ByteString[];
}

/**
 * What has one of `uids` in a jail, by uid. It goes down by descriptors and never through a link. Of mounts, it does not enter
 * those of the host's own directories as a live jail has them, but all others: one that is read-only now, or nosuid, need not
 * stay so, and its files have their owner all the same. Throws JailkitError CHANGES if a directory that users can write has
 * changed since `since` (nanoseconds since the epoch): who moves a file while one looks could hide it; and others, or
 * SystemError, for what cannot be looked at.
 */
export function ownedIn(
  root: JailRoot,
  uids: ReadonlySet<number>,
  since: bigint,
): ReadonlyMap<number, Owned> {
  const search = new Search(root, uids, since);
  try {
    search.run();
    return search.found;
  } catch (error) {
    throw namedError(error, hostPath(root, search.path()));
  } finally {
    search.closeAll();
  }
}

class Search {
  readonly found = new Map<number, { path: ByteString; tops: Set<ByteString>; isReadOnly: boolean }>();
  /** From the jail's root. */
  readonly #levels: Level[] = [];
  #mounts: readonly Mount[] | undefined;

  constructor(
    readonly root: JailRoot,
    readonly uids: ReadonlySet<number>,
    readonly since: bigint,
  ) {}

  run(): void {
    const top = openAt(this.root.fd, ".", DIRECTORY);
    this.#levels.push({ name: "", stat: fstat(top), fd: top, left: [] });
    this.#requireTimes(top);
    for (let here = this.#list(); here !== undefined; ) {
      const name = here.left.pop();
      if (name === undefined) here = this.#leave(here);
      else if (this.#enter(here, name)) here = this.#list();
    }
  }

  closeAll(): void {
    for (const { fd } of this.#levels) if (fd !== CLOSED) close(fd);
  }

  /** Where it is now. */
  path(): ByteString {
    return this.#levels.reduce((path, { name }) => (name === "" ? path : joinPath(path, name)), "/");
  }

  /** Looks at what is in the last directory. */
  #list(): Level | undefined {
    const here = this.#levels.at(-1);
    if (here === undefined) return undefined;
    this.#note(here.stat.uid, "", here.fd);
    for (let more = true; more; ) {
      stopIfInterrupted("no account was created; run this again");
      // In pieces: a user may have made millions.
      const piece: DirectoryEntry[] = [];
      more = readEntries(here.fd, piece);
      for (const { name, type } of piece) {
        if (type === C.DT_DIR) here.left.push(name);
        else this.#note(ownerAt(here.fd, name), name, here.fd);
        // Not every file system tells types.
        if (type === C.DT_UNKNOWN) here.left.push(name);
      }
    }
    const far = this.#levels.at(-1 - MOST_OPEN);
    if (far !== undefined && far.fd !== CLOSED) {
      close(far.fd);
      far.fd = CLOSED;
    }
    return here;
  }

  #note(uid: number | undefined, name: ByteString, fd: number): void {
    if (uid === undefined || !this.uids.has(uid)) return;
    const path = () => (name === "" ? this.path() : joinPath(this.path(), name));
    const first = () => ({ path: path(), tops: new Set<ByteString>(), isReadOnly: false });
    const owned = this.found.getOrInsertComputed(uid, first);
    owned.tops.add(this.#levels[1]?.name ?? name);
    owned.isReadOnly ||= isReadOnly(fd);
  }

  /** Enters a directory; false for one that does not count. */
  #enter({ fd: above, stat: parent }: Level, name: ByteString): boolean {
    let fd: number;
    try {
      fd = openAt(above, name, DIRECTORY);
    } catch (error) {
      // It is no directory, or is gone: that its parent has changed counts at the end of that.
      if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return false;
      this.#levels.push({ name, stat: parent, fd: CLOSED, left: [] });
      throw error;
    }
    const level = { name, stat: fstat(fd), fd, left: [] };
    this.#levels.push(level);
    if (level.stat.mountId === parent.mountId && level.stat.devMinor === parent.devMinor) return true;
    if (this.#mayHaveFiles(level)) return true;
    this.#levels.pop();
    close(fd);
    return false;
  }

  /** Whether files of users may be on a mount, now or when it has other options. */
  #mayHaveFiles({ fd, stat }: Level): boolean {
    if (kernelFileSystem(fd) !== undefined) return false;
    if (this.#isLive(stat) && !this.#hasOthersBelow()) return false;
    this.#requireTimes(fd);
    return true;
  }

  /** True for one of the host's own directories, where users of the jail have never been able to write. */
  #isLive(stat: Stat): boolean {
    const path = this.path();
    return liveState(this.root, path) === "mounted" && hostSystemOf(this.root, { path, stat }) !== undefined;
  }

  /** Such a mount may have others in it. */
  #hasOthersBelow(): boolean {
    const here = hostPath(this.root, this.path());
    this.#mounts ??= ownMounts();
    return this.#mounts.some(({ mountPoint }) => (below(mountPoint, here) ?? "") !== "");
  }

  /** What does not show that something has changed cannot be looked through; a program of users may answer in its place. */
  #requireTimes(fd: number): void {
    if (keepsTimes(fd)) return;
    const where = quoted(hostPath(this.root, this.path()));
    throw new JailkitError("unknown-owners", 1, `${where} is on a file system whose files may change unseen`);
  }

  /** Goes up from a directory in which all was looked at. */
  #leave(here: Level): Level | undefined {
    const now = fstat(here.fd);
    if (now.ctime >= this.since && !(onlyRootWrites(here.stat) && onlyRootWrites(now))) throw this.#changed();
    const above = this.#levels.at(-2);
    if (above?.fd === CLOSED) {
      above.fd = openAt(here.fd, "..", DIRECTORY);
      if (!sameFile(fstat(above.fd), above.stat)) throw this.#changed();
    }
    this.#levels.pop();
    close(here.fd);
    return above;
  }

  #changed(): JailkitError {
    const where = quoted(hostPath(this.root, this.path()));
    return new JailkitError(CHANGES, 1, `${where} changes while it is looked at`);
  }
}
