import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { UnansweredMount } from "../../../ffi/error.ts";
import {
  type DirectoryEntry,
  fstat,
  openAt,
  readDirectory,
  readEntries,
  readLink,
  type Stat,
  seek,
  statIfPresent,
  withFd,
} from "../../../ffi/files.ts";
import { isDirectory, isLink, type JailRoot, joinPath } from "../../jail/fs/walk.ts";
import { inheritedEntries, type NamedEntry } from "../../system/acl.ts";
import { type Grants, grantsAt, grantsOf } from "../../system/grants.ts";
import { fileSystemType, isLimited, isReadOnly, kernelFileSystem } from "../../system/mounts.ts";
import type { Space, Spaces } from "./spaces.ts";

/** A file, directory, symbolic link or device that a walk saw. */
export interface WalkEntry {
  /** As the jail sees it, without symbolic links. */
  readonly path: ByteString;
  readonly stat: Stat;
  /** Its directory; of the jail's root, itself. */
  readonly parent: Stat;
  readonly space: Space;
  /** The text of a symbolic link. */
  readonly target: ByteString | undefined;
  readonly grants: Grants;
  /** Entries of a directory's default ACL, which apply to everything created in it. */
  readonly inherited: readonly NamedEntry[];
}

/** The reason why a directory was not entered. */
export type Barrier =
  | { readonly kind: "kernel"; readonly type: string; readonly readOnly: boolean }
  | { readonly kind: "host"; readonly what: ByteString }
  | { readonly kind: "fuse" }
  /** FUSE of which nothing may be asked. */
  | { readonly kind: "user"; readonly error: UnansweredMount }
  /** A directory of the host's own, such as /usr; `limited`: read-only, nosuid and nodev. */
  | { readonly kind: "mounted"; readonly what: ByteString; readonly limited: boolean }
  /** A directory of the host from outside the jail, such as the home of a user. */
  | { readonly kind: "outside"; readonly what: ByteString }
  /** A known jail in this one, which is checked for itself; `entered`: also with this one. */
  | { readonly kind: "jail"; readonly entered: boolean }
  /** /proc or /sys with files, where nothing is mounted: a copy of the jail has those of another host. */
  | { readonly kind: "copied" }
  | { readonly kind: "deep" };

/** Callbacks of a walk. Paths are as the jail sees them. */
export interface WalkHandlers {
  /** True to skip the path and everything below it. */
  ignored(path: ByteString): boolean;
  /** The name of a directory of the host that must not be in a jail. */
  hostDirectory(stat: Stat): ByteString | undefined;
  /** The directory of the host's own that is mounted at a path; undefined for other mounts. */
  hostMount(path: ByteString, stat: Stat): ByteString | undefined;
  /** True for a known jail in this one that need not be entered. Called once for each directory. */
  innerJail(path: ByteString, stat: Stat): boolean;
  /** The directory outside the jail that is mounted at a path. */
  outside(path: ByteString, stat: Stat): ByteString | undefined;
  /** True for a file in /proc or /sys, where nothing is mounted, that nobody asked for. */
  copied(path: ByteString): boolean;
  seen(entry: WalkEntry): void;
  barrier(path: ByteString, barrier: Barrier): void;
  failed(path: ByteString, error: unknown): void;
}

const OF_THE_KERNEL: readonly ByteString[] = ["/proc", "/sys"];
// A user's own program answers there, or hangs.
const FUSE = 0x65735546;
// Names of a directory: a user may make millions.
const MOST_SORTED = 20_000;
// Each level needs a descriptor, and users may nest without limit.
const DEEPEST = 256;

/** A name in an open directory of the jail. */
interface NameInDirectory {
  readonly fd: number;
  readonly name: ByteString;
  readonly path: ByteString;
  readonly parent: Stat;
  /** That of the directory. */
  readonly space: Space;
  readonly depth: number;
}

/**
 * Walks a jail from its root, by descriptors and never through a link, in the byte order of names (of each piece of a
 * very large directory). Other file systems are entered, except those of the kernel and FUSE.
 */
export function walkJail(root: JailRoot, spaces: Spaces, handlers: WalkHandlers): void {
  function describe({ fd, name, path, parent, depth, space: above }: NameInDirectory): void {
    const stat = statIfPresent(fd, name);
    if (stat === undefined) return;
    const space = depth === 1 ? spaces.top(name) : above;
    const target = isLink(stat) ? readLink(fd, name) : undefined;
    const grants = grantsAt(fd, name, stat.mode);
    handlers.seen({ path, stat, parent, space, target, grants, inherited: [] });
  }

  function enter(place: NameInDirectory): void {
    const { name, path, parent, depth } = place;
    const flags = C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW | C.O_NONBLOCK;
    withFd(openAt(place.fd, name, flags), (fd) => {
      const stat = fstat(fd);
      const space = depth === 0 ? "other" : spaces.inside(place.space, path, stat);
      const barrier = depth === 0 ? undefined : barrierOf(fd, stat, place, handlers);
      if (barrier !== undefined) {
        handlers.barrier(path, barrier);
        return;
      }
      const grants = grantsOf(fd, stat.mode);
      const inherited = inheritedEntries(fd);
      handlers.seen({ path, stat, parent, space, target: undefined, grants, inherited });
      list(fd, path, stat, space, depth + 1);
    });
  }

  function list(fd: number, above: ByteString, parent: Stat, space: Space, depth: number): void {
    // /proc has been read for what was copied there.
    seek(fd, 0, C.SEEK_SET);
    for (let more = true; more; ) {
      const piece: DirectoryEntry[] = [];
      while (more && piece.length < MOST_SORTED) more = readEntries(fd, piece);
      visit(piece.sort((a, b) => (a.name < b.name ? -1 : 1)));
    }
    function visit(entries: readonly DirectoryEntry[]): void {
      for (const { name, type } of entries) {
        const path = joinPath(above, name);
        if (handlers.ignored(path)) continue;
        try {
          const directory =
            type === C.DT_DIR || (type === C.DT_UNKNOWN && isDirectory(statIfPresent(fd, name) ?? parent));
          (directory ? enter : describe)({ fd, name, path, parent, space, depth });
        } catch (error) {
          if (error instanceof UnansweredMount) handlers.barrier(path, { kind: "user", error });
          else handlers.failed(path, error);
        }
      }
    }
  }

  try {
    enter({ fd: root.fd, name: ".", path: "/", parent: root.top.stat, space: "other", depth: 0 });
  } catch (error) {
    handlers.failed("/", error);
  }
}

function barrierOf(
  fd: number,
  stat: Stat,
  { path, parent, depth }: NameInDirectory,
  handlers: WalkHandlers,
): Barrier | undefined {
  const what = handlers.hostDirectory(stat);
  if (what !== undefined) return { kind: "host", what };
  if (handlers.innerJail(path, stat)) return { kind: "jail", entered: false };
  const other = stat.mountId !== parent.mountId || stat.devMinor !== parent.devMinor;
  if (other || stat.devMajor !== parent.devMajor) {
    const type = kernelFileSystem(fd);
    if (type !== undefined) return { kind: "kernel", type, readOnly: isReadOnly(fd) };
    if (fileSystemType(fd) === FUSE) return { kind: "fuse" };
    const mounted = handlers.hostMount(path, stat);
    if (mounted !== undefined) return { kind: "mounted", what: mounted, limited: isLimited(fd) };
    const outside = handlers.outside(path, stat);
    if (outside !== undefined) return { kind: "outside", what: outside };
  } else if (OF_THE_KERNEL.includes(path)) {
    if (readDirectory(fd).some(({ name }) => handlers.copied(joinPath(path, name))))
      return { kind: "copied" };
  }
  return depth > DEEPEST ? { kind: "deep" } : undefined;
}
