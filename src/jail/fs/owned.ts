import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import {
  type DirectoryEntry,
  fstat,
  openAt,
  ownerAt,
  readEntries,
  type Stat,
  statIfPresent,
  withFd,
} from "../../../ffi/files.ts";
import { cloneMountOf } from "../../../ffi/mounts.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { quoted, shortPath } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { stopIfInterrupted } from "../../cli/interrupt.ts";
import { onlyRootWrites } from "../../system/exchange.ts";
import { isProtected, protectsFrom } from "../../system/give.ts";
import { below, type Mount, ownMounts } from "../../system/mountinfo.ts";
import { isReadOnly, keepsTimes, kernelFileSystem, mountRestrictions } from "../../system/mounts.ts";
import { Descent, DIRECTORY, type Level } from "./descent.ts";
import { hostSystemOf } from "./host-mounts.ts";
import { liveState } from "./live-mounts.ts";
import { hostPath, type JailRoot, joinPath, namedError } from "./walk.ts";

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
  /** The directories with isProtected, as the jail sees them, in which others are protected from one of them. */
  readonly shared: ReadonlySet<ByteString>;
}

interface FoundSoFar extends Owned {
  readonly tops: Set<ByteString>;
  readonly shared: Set<ByteString>;
  isReadOnly: boolean;
}

/** A file, or directory, that has one of the uids, where it was seen. */
export interface OwnedFile {
  readonly uid: number;
  /** The open directory that it is in, or that it is itself. */
  readonly fd: number;
  /** That one when it was opened. */
  readonly directory: Stat;
  /** Empty for a directory. */
  readonly name: ByteString;
  /** As the jail sees it. */
  readonly path: () => ByteString;
  /** The name at the jail's root that it is below. */
  readonly top: ByteString;
}

/** What is looked for in a jail. */
export interface OwnedSearch {
  readonly uids: Pick<ReadonlySet<number>, "has">;
  /** Nanoseconds since the epoch. */
  readonly since: bigint;
  /** Only programs count: file systems on which nobody gets other rights by one are not entered, if one cannot see that they change. */
  readonly programs?: boolean;
  /** What is said if a signal ends it. */
  readonly stop: ByteString;
  readonly found: (file: OwnedFile) => void;
}

interface Searched extends Level {
  readonly stat: Stat;
  /** Directories in it that are still to be entered. */
  readonly left: ByteString[];
  /** So are those below mounts on it, where somebody may work since before. */
  readonly covered: ByteString[];
}

/**
 * Calls `found` for all that has one of `uids` in a jail. It goes down by descriptors and never through a link. Of mounts, it does not
 * enter those of the host's own directories as a live jail has them, but all others: one that is read-only now, or nosuid, need not
 * stay so, and its files have their owner all the same. Throws JailkitError CHANGES if a directory that users can write has
 * changed since `since`: who moves a file while one looks could hide it; and others, or SystemError, for what cannot be looked at.
 */
export function searchOwned(root: JailRoot, wanted: OwnedSearch): void {
  using search = new Search(root, wanted);
  try {
    search.run();
  } catch (error) {
    throw namedError(error, search.where());
  }
}

/** What has one of `uids` in a jail, by uid. Throws as searchOwned. */
export function ownedIn(
  root: JailRoot,
  uids: ReadonlySet<number>,
  since: bigint,
): ReadonlyMap<number, Owned> {
  const found = new Map<number, FoundSoFar>();
  const note = ({ uid, fd, directory, name, path, top }: OwnedFile) => {
    const first = () => ({
      path: path(),
      tops: new Set<ByteString>(),
      isReadOnly: false,
      shared: new Set<ByteString>(),
    });
    const owned = found.getOrInsertComputed(uid, first);
    owned.tops.add(top);
    owned.isReadOnly ||= isReadOnly(fd);
    if (isProtected(directory) && protectsFrom(statIfPresent(fd, name)))
      owned.shared.add(directoryOf(path()));
  };
  searchOwned(root, { uids, since, stop: "no account was created; run this again", found: note });
  return found;
}

/** The error for what changes while one looks. */
export const changing = (where: ByteString): JailkitError =>
  new JailkitError(CHANGES, 1, `${quoted(where)} changes while it is looked at`);

class Search implements Disposable {
  /** From the jail's root. */
  readonly #levels = new Descent<Searched>("/", () => this.#changed());
  #mounts: readonly Mount[] | undefined;

  constructor(
    readonly root: JailRoot,
    readonly wanted: OwnedSearch,
  ) {}

  run(): void {
    const top = openAt(this.root.fd, ".", DIRECTORY);
    this.#levels.down({ name: "", stat: fstat(top), fd: top, left: [], covered: [] });
    this.#requireTimes(top);
    for (let here = this.#list(); here !== undefined; ) here = this.#next(here);
  }

  /** Goes on in the next directory, or in the one above if all was looked at. */
  #next(here: Searched): Searched | undefined {
    const name = here.left.pop();
    if (name !== undefined) return this.#enter(here, name) ? this.#list() : here;
    const covered = here.covered.pop();
    if (covered === undefined) return this.#leave(here);
    return this.#enterBelow(here, covered) ? this.#list() : here;
  }

  [Symbol.dispose](): void {
    this.#levels[Symbol.dispose]();
  }

  /** Where it is now, on the host. */
  where(): ByteString {
    return shortPath(hostPath(this.root, this.#levels.path()));
  }

  /** Looks at what is in the last directory. */
  #list(): Searched | undefined {
    const { here } = this.#levels;
    if (here === undefined) return undefined;
    this.#note(here.stat.uid, "", here);
    for (let more = true; more; ) {
      stopIfInterrupted(this.wanted.stop);
      // In pieces: a user may have made millions.
      const piece: DirectoryEntry[] = [];
      more = readEntries(here.fd, piece);
      for (const { name, type } of piece) {
        if (type === C.DT_DIR) here.left.push(name);
        else this.#note(ownerAt(here.fd, name), name, here);
        // Not every file system tells types.
        if (type === C.DT_UNKNOWN) here.left.push(name);
      }
    }
    return here;
  }

  #note(uid: number | undefined, name: ByteString, { fd, stat }: Searched): void {
    if (uid === undefined || !this.wanted.uids.has(uid)) return;
    const here = () => this.#levels.path();
    const path = () => (name === "" ? here() : joinPath(here(), name));
    this.wanted.found({ uid, fd, directory: stat, name, path, top: this.#levels.at(1)?.name ?? name });
  }

  /** Enters a directory; false for one that does not count. */
  #enter({ fd: above, stat: parent, covered }: Searched, name: ByteString): boolean {
    let fd: number;
    try {
      fd = openAt(above, name, DIRECTORY);
    } catch (error) {
      // It is no directory, or is gone: that its parent has changed counts at the end of that.
      if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return false;
      throw namedError(error, joinPath(this.where(), name));
    }
    const level = { name, stat: fstat(fd), fd, left: [], covered: [] };
    this.#levels.down(level);
    if (level.stat.mountId === parent.mountId && level.stat.devMinor === parent.devMinor) return true;
    covered.push(name);
    if (this.#mayHaveFiles(level)) return true;
    this.#levels.up();
    return false;
  }

  /** Enters the directory below a mount, by a copy of the mount that it is on; false if there is none, or root may not. */
  #enterBelow({ fd: above }: Searched, name: ByteString): boolean {
    try {
      const fd = withFd(cloneMountOf(above, name), (mount) => openAt(mount, name, DIRECTORY));
      this.#levels.down({ name, stat: fstat(fd), fd, left: [], covered: [] });
      return true;
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EPERM", "EINVAL", "ENOSYS")) return false;
      throw namedError(error, joinPath(this.where(), name));
    }
  }

  /** Whether files of users may be on a mount, now or when it has other options. */
  #mayHaveFiles({ fd, stat }: Searched): boolean {
    if (kernelFileSystem(fd) !== undefined) return false;
    if (this.#isLive(stat) && !this.#hasOthersBelow()) return false;
    if (this.wanted.programs && !keepsTimes(fd)) return !mountRestrictions(fd).setuid;
    this.#requireTimes(fd);
    return true;
  }

  /** True for one of the host's own directories, where users of the jail have never been able to write. */
  #isLive(stat: Stat): boolean {
    const path = this.#levels.path();
    return liveState(this.root, path) === "mounted" && hostSystemOf(this.root, { path, stat }) !== undefined;
  }

  /** Such a mount may have others in it. */
  #hasOthersBelow(): boolean {
    const here = hostPath(this.root, this.#levels.path());
    this.#mounts ??= ownMounts();
    return this.#mounts.some(({ mountPoint }) => (below(mountPoint, here) ?? "") !== "");
  }

  /** What does not show that something has changed cannot be looked through; a program of users may answer in its place. */
  #requireTimes(fd: number): void {
    if (this.wanted.programs || keepsTimes(fd)) return;
    const where = quoted(this.where());
    throw new JailkitError("unknown-owners", 1, `${where} is on a file system whose files may change unseen`);
  }

  /** Goes up from a directory in which all was looked at. */
  #leave(here: Searched): Searched | undefined {
    const now = fstat(here.fd);
    if (now.ctime >= this.wanted.since && !(onlyRootWrites(here.stat) && onlyRootWrites(now)))
      throw this.#changed();
    return this.#levels.up();
  }

  #changed(): JailkitError {
    return changing(this.where());
  }
}
