import { type BasicStat, basicFstat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import {
  close,
  openDirectoryPath,
  openIfPresent,
  readAllFd,
  readDirectory,
  readLink,
  withFd,
} from "../../ffi/files.ts";

/** Told of a path that is looked at, with the file that is there. `listed`: the names in it are read. */
export type Watch = (
  path: ByteString,
  follow: boolean,
  found: BasicStat | undefined,
  listed: boolean,
) => void;

/**
 * A read-only view of a directory as a process with that root directory sees it. Below a root other than "/" every path
 * goes through openat2(2) with RESOLVE_IN_ROOT, so no symbolic link or ".." leads out.
 */
export class RootView implements Disposable {
  private readonly rootFd: number;
  private readonly resolve: number;

  /**
   * Throws SystemError if the root cannot be opened. Leaving the scope of a `using` closes it. `watch`: called with each
   * path that is opened.
   */
  constructor(
    root: ByteString = "/",
    private readonly watch?: Watch,
  ) {
    const inRoot = root !== "/";
    this.rootFd = inRoot ? openDirectoryPath(root) : C.AT_FDCWD;
    this.resolve = inRoot ? C.RESOLVE_IN_ROOT | C.RESOLVE_NO_MAGICLINKS : 0;
  }

  [Symbol.dispose](): void {
    if (this.rootFd !== C.AT_FDCWD) close(this.rootFd);
  }

  /** The result of `use` for a regular file that is open for reading; undefined if there is none. */
  withFile<T>(path: ByteString, use: (fd: number, stat: BasicStat) => T): T | undefined {
    // Opening a device may have an effect, so check the type first, and open the checked file.
    return this.withOpen(path, C.O_PATH, (found, { mode }) => {
      if ((mode & C.S_IFMT) !== C.S_IFREG) return undefined;
      const flags = C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY;
      // By its name if proc(5) is not mounted.
      const fd = openIfPresent(C.AT_FDCWD, `/proc/self/fd/${found}`, flags) ?? this.open(path, flags);
      if (fd === undefined) return undefined;
      return withFd(fd, () => {
        const stat = basicFstat(fd);
        return (stat.mode & C.S_IFMT) === C.S_IFREG ? use(fd, stat) : undefined;
      });
    });
  }

  /** All bytes of a regular file; undefined if there is none, or if it is larger than `limit` bytes. */
  readFile(path: ByteString, limit: number): Uint8Array | undefined {
    return this.withFile(path, (fd, { size }) => (size > limit ? undefined : readAllFd(fd, limit)));
  }

  /** The names in a directory, sorted by their bytes; undefined if there is no such directory. */
  list(path: ByteString): ByteString[] | undefined {
    return this.withOpen(path, C.O_RDONLY | C.O_DIRECTORY, (fd) =>
      readDirectory(fd)
        .map((entry) => entry.name)
        .sort(),
    );
  }

  /** True for a directory, and for a symbolic link to one. */
  isDirectory(path: ByteString): boolean {
    return this.withOpen(path, C.O_PATH | C.O_DIRECTORY, () => true) ?? false;
  }

  /** The path without symbolic links, "." and ".."; undefined if nothing is there. */
  realPath(path: ByteString): ByteString | undefined {
    const pending = path.split("/").reverse();
    const done: ByteString[] = [];
    let links = 0;
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (name === "" || name === ".") continue;
      if (name === "..") {
        done.pop();
        continue;
      }
      const target = this.linkText(`/${[...done, name].join("/")}`);
      if (target === undefined) return undefined;
      if (target === "not a link") done.push(name);
      else if (++links > C.MOST_LINKS) return undefined;
      else {
        if (target.startsWith("/")) done.length = 0;
        pending.push(...target.split("/").reverse());
      }
    }
    return `/${done.join("/")}`;
  }

  private open(path: ByteString, flags: number): number | undefined {
    return path.includes("\0") ? undefined : openIfPresent(this.rootFd, path, flags, this.resolve);
  }

  private linkText(path: ByteString): ByteString | "not a link" | undefined {
    return this.withOpen(path, C.O_PATH | C.O_NOFOLLOW, (fd, { mode }) =>
      (mode & C.S_IFMT) === C.S_IFLNK ? readLink(fd, "") : "not a link",
    );
  }

  private withOpen<T>(
    path: ByteString,
    flags: number,
    use: (fd: number, stat: BasicStat) => T,
  ): T | undefined {
    const fd = this.open(path, flags);
    const follow = (flags & C.O_NOFOLLOW) === 0;
    const listed = (flags & (C.O_DIRECTORY | C.O_PATH)) === C.O_DIRECTORY;
    if (fd === undefined) {
      this.watch?.(path, follow, undefined, listed);
      return undefined;
    }
    return withFd(fd, () => {
      const stat = basicFstat(fd);
      this.watch?.(path, follow, stat, listed);
      return use(fd, stat);
    });
  }
}
