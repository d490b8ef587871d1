import { subvolumeId } from "../../../ffi/btrfs.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { chmodFd, chownFd, unlinkAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, isErrno, SystemError } from "../../../ffi/error.ts";
import {
  close,
  type DirectoryEntry,
  type FileIdentity,
  fstat,
  openAt,
  readEntries,
  type Stat,
  sameFile,
  seek,
  statIfPresent,
} from "../../../ffi/files.ts";
import { display, quoted, shortPath } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { type Remedy, typed, withAdvice } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { commandAt, onlyRootWrites } from "../../system/exchange.ts";
import { ownMounts } from "../../system/mountinfo.ts";
import { isReadOnly } from "../../system/mounts.ts";
import { exchanged } from "./attributes.ts";
import { Descent, DIRECTORY, type Level } from "./descent.ts";
import {
  type Directory,
  hostPath,
  isDirectory,
  type JailRoot,
  joinPath,
  namedError,
  onOneDevice,
  onOneMount,
} from "./walk.ts";

/** True if a file (with its path in the jail) may be removed. */
export type Among = (stat: Stat, path: ByteString) => boolean;

/** Called while a tree is removed: what they throw ends that, and the rest stays. */
export interface Watch {
  /**
   * Gets each directory in it that is not empty, when it is open: by its path somebody could lead to another one. `path`: in the
   * jail.
   */
  readonly directory?: (directory: Stat, path: () => ByteString) => void;
  /** Called before each name. */
  readonly name?: () => void;
  /** Called when a directory that was emptied has names again, and now and then in one that has very many. */
  readonly filled?: () => void;
}

/** What of a directory is removed. */
export interface Within {
  readonly among: Among | "all";
  readonly watch: Watch;
}

function openLevel(
  parentFd: number,
  name: ByteString,
  seen: Stat,
  mount: Stat,
  path: () => ByteString,
): { readonly fd: number; readonly stat: Stat } {
  const fd = openAt(parentFd, name, DIRECTORY);
  const stat = fstat(fd);
  // A subvolume of btrfs has another device number, and is removed as any other directory.
  const sameMount = onOneMount(stat, mount);
  if (sameMount && sameFile(stat, seen)) return { fd, stat };
  close(fd);
  if (sameMount) throw exchanged(path());
  throw new SystemError(C.EBUSY, "a file system is mounted here; unmount it first", path());
}

/** Of a tree that may have millions of levels. */
const identityOf = ({ ino, devMajor, devMinor }: Stat): FileIdentity => ({ ino, devMajor, devMinor });

/** Removes an empty directory, whatever it was before: true if it was one. */
const removedEmpty = (parentFd: number, name: ByteString): boolean =>
  attempt(() => {
    unlinkAt(parentFd, name, C.AT_REMOVEDIR);
    return true;
  }) ?? false;

/**
 * Keeps others from creating names in an open directory, also through descriptors that they have. Its owner stays if it is
 * the first one: by that a removal that was interrupted is known again.
 */
function holdDirectory(fd: number, isFirst: boolean): void {
  const stat = fstat(fd);
  if (onlyRootWrites(stat)) return;
  // Not every file system allows it.
  attempt(() => {
    if (!isFirst) chownFd(fd, 0, 0);
    // The group's bits are the mask of an ACL, which so gives nothing any more.
    if ((stat.mode & 0o7777) !== 0o700) chmodFd(fd, 0o700);
  });
}

/** The error for a subvolume at a path of the host that is read-only. `mountId`: the mount that it is on. */
export function readOnlySubvolume(path: ByteString, id: bigint, mountId: bigint): JailkitError {
  const place = shortPath(path);
  // By its number: a user could lead the path to another one.
  const mounts = answered(ownMounts) ?? [];
  const mount = mounts.find((one) => one.id === mountId)?.mountPoint ?? place;
  const command: Remedy = `btrfs subvolume delete --subvolid=${id} ${operands(mount)}`;
  const advice = commandAt(mount, command);
  const what = `${quoted(place)} is a read-only subvolume, such as a snapshot, which has to be deleted first`;
  return new JailkitError("read-only", 1, withAdvice(what, advice), undefined, typed(advice));
}

// Of one directory: for names that a file system does not list while others are removed. What somebody creates all the time
// would never end.
const MOST_PASSES = 64;
// So many pieces of a directory have some ten thousand names.
const MANY_PIECES = 32;

/** A directory that is being emptied. */
interface Emptied extends Level {
  /** Names that were listed and are still to be removed, the next one last: a user may have made millions. */
  piece: ByteString[];
  /** There are names that were not listed in this pass. */
  hasMore: boolean;
  /** The names that this pass has listed. */
  count: number;
  pieces: number;
  passes: number;
}

/**
 * Removes all that is in a directory of `parent`, or what `within` says, if it is still the file `seen`: see removeTree of
 * remove.ts.
 */
export function emptyDirectory(
  root: JailRoot,
  parent: Directory,
  name: ByteString,
  seen: Stat,
  within: Within,
) {
  using emptying = new Emptying(root, parent, within);
  emptying.enter(parent.fd, name, seen);
  emptying.run();
}

class Emptying implements Disposable {
  readonly #levels: Descent<Emptied>;
  /** What is worked on: a name in the directory where it is now. */
  #name: ByteString = "";

  constructor(
    private readonly root: JailRoot,
    private readonly parent: Directory,
    private readonly within: Within,
  ) {
    this.#levels = new Descent(parent.path, () => exchanged(this.#where()));
  }

  run(): void {
    try {
      for (let { here } = this.#levels; here !== undefined; { here } = this.#levels) this.#step(here);
    } catch (error) {
      throw (isErrno(error, "EROFS") && this.#readOnly()) || namedError(error, this.#where());
    }
  }

  [Symbol.dispose](): void {
    this.#levels[Symbol.dispose]();
  }

  /** Where it works, as the jail sees it. */
  #path(): ByteString {
    return joinPath(this.#levels.path(), this.#name);
  }

  /** The same on the host, for messages. */
  #where(): ByteString {
    return shortPath(hostPath(this.root, this.#path()));
  }

  /** The error for a read-only subvolume in the tree, such as a snapshot; undefined if nothing here can be written. */
  #readOnly(): JailkitError | undefined {
    const levels = this.#levels;
    const { here } = levels;
    const id = here === undefined || isReadOnly(here.fd) ? undefined : subvolumeId(here.fd);
    if (here === undefined || id === undefined) return undefined;
    const isIn = (stat: FileIdentity | undefined) => stat !== undefined && onOneDevice(stat, here.stat);
    let depth = levels.depth;
    while (isIn(levels.at(depth - 2)?.stat)) depth--;
    if (depth === 1 && isIn(this.parent.stat)) return undefined;
    return readOnlySubvolume(hostPath(this.root, levels.path(depth)), id, this.parent.stat.mountId);
  }

  enter(above: number, name: ByteString, seen: Stat): void {
    this.#name = name;
    const { fd, stat } = openLevel(above, name, seen, this.parent.stat, () => this.#where());
    try {
      if (this.#levels.depth > 0) this.within.watch.directory?.(stat, () => this.#path());
    } catch (error) {
      close(fd);
      throw error;
    }
    const start = { piece: [], hasMore: true, count: 0, pieces: 0, passes: 0 };
    const far = this.#levels.down({ name, fd, stat: identityOf(stat), ...start });
    // It is listed again when it is opened again.
    if (far !== undefined) Object.assign(far, { piece: [], hasMore: true });
  }

  #step(here: Emptied): void {
    const name = here.piece.pop();
    if (name !== undefined) this.#remove(here, name);
    else if (here.hasMore) this.#list(here);
    else if (here.count > 0 && here.passes < MOST_PASSES) this.#again(here);
    else this.#leave(here);
  }

  #list(here: Emptied): void {
    const { among, watch } = this.within;
    this.#name = "";
    // Again for each piece: its owner may have given others rights meanwhile.
    if (among === "all") holdDirectory(here.fd, here === this.#levels.at(0));
    if (++here.pieces % MANY_PIECES === 0) watch.filled?.();
    const piece: DirectoryEntry[] = [];
    here.hasMore = readEntries(here.fd, piece);
    here.count += piece.length;
    here.piece = piece.map(({ name }) => name).reverse();
  }

  #remove(here: Emptied, name: ByteString): void {
    const { among, watch } = this.within;
    this.#name = name;
    watch.name?.();
    const stat = statIfPresent(here.fd, name);
    if (stat === undefined) return;
    if (among !== "all" && !among(stat, this.#path())) {
      const message = `${display(this.#where())}: appeared after the rest was looked at, and stays`;
      throw new JailkitError("appeared", 1, message);
    }
    if (!isDirectory(stat)) {
      unlinkAt(here.fd, name);
      return;
    }
    if (watch.directory === undefined || !removedEmpty(here.fd, name)) this.enter(here.fd, name, stat);
  }

  #again(here: Emptied): void {
    this.#name = "";
    if (++here.passes > 1) this.within.watch.filled?.();
    seek(here.fd, 0, C.SEEK_SET);
    here.hasMore = true;
    here.count = 0;
  }

  /** The first one has no name in a directory that is emptied. */
  #leave({ name }: Emptied): void {
    this.#name = "";
    const above = this.#levels.up();
    this.#name = name;
    if (above !== undefined) unlinkAt(above.fd, name, C.AT_REMOVEDIR);
  }
}
