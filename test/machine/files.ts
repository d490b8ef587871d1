import { createHash } from "node:crypto";
import { type ByteString, toBytes } from "../../ffi/bytes.ts";
import * as Changes from "../../ffi/changes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import * as F from "../../ffi/files.ts";

/** Attributes of what a test puts into the machine; `owner` is [uid, gid]. Root's, 0644 or 0755, if not given. */
export interface FileOptions {
  mode?: number;
  owner?: readonly [uid: number, gid: number];
}

/** Files of the machine, as root sees them. Paths are absolute in the machine, and links are followed in there. */
export interface MachineFiles {
  /** Creates or overwrites a regular file, and the directories above it (root's, 0755) where they are missing. */
  write(path: ByteString, content: ByteString | Uint8Array, options?: FileOptions): void;
  /** The content of a file as bytes. */
  readBytes(path: ByteString): Uint8Array;
  /** The content of a file as a byte string. */
  read(path: ByteString): ByteString;
  /** Makes a directory and those above it; sets mode and owner also of one that is there. */
  mkdir(path: ByteString, options?: FileOptions): void;
  symlink(target: ByteString, path: ByteString): void;
  /** A second name of what is at `from`; EXDEV where they are on different mounts. */
  link(from: ByteString, path: ByteString): void;
  /** Where a symbolic link points. */
  readlink(path: ByteString): ByteString;
  chmod(path: ByteString, mode: number): void;
  chown(path: ByteString, uid: number, gid: number): void;
  rename(from: ByteString, to: ByteString): void;
  /** Removes a file, link or tree; nothing there is no error. */
  remove(path: ByteString): void;
  /** lstat(2), or stat(2) with `follow`; undefined where nothing is there. */
  stat(path: ByteString, follow?: boolean): F.Stat | undefined;
  /** True where something is there, be it a dangling link. */
  exists(path: ByteString): boolean;
  /** The names in a directory, sorted. */
  list(path: ByteString): ByteString[];
  /**
   * Everything below a directory, by path relative to it: type and mode, owner, and content (a digest, a link's
   * target, a device's numbers). Two snapshots are equal where nothing but times changed.
   */
  snapshot(path: ByteString): Record<ByteString, string>;
}

/** File operations below a descriptor of the machine's root directory. */
export function machineFiles(root: number): MachineFiles {
  const relative = (path: ByteString) => path.replace(/^\/+/, "") || ".";
  const open = (path: ByteString, flags: number, mode = 0) =>
    F.openAt2(root, relative(path), flags, C.RESOLVE_IN_ROOT, mode);

  function within<T>(fd: number, work: (fd: number) => T): T {
    try {
      return work(fd);
    } finally {
      F.close(fd);
    }
  }

  // Calls that must not follow a link in the last place are made below the directory that holds it.
  function inParent<T>(path: ByteString, work: (fd: number, name: ByteString) => T): T {
    const trimmed = path.replace(/\/+$/, "");
    if (path !== "" && trimmed === "") return work(root, ".");
    const slash = trimmed.lastIndexOf("/");
    if (slash < 0) throw new RangeError(`${path}: not an absolute path`);
    return within(open(trimmed.slice(0, slash), C.O_PATH | C.O_DIRECTORY), (fd) =>
      work(fd, trimmed.slice(slash + 1) || "."),
    );
  }

  function makeDirectories(path: ByteString): void {
    let made = "";
    for (const name of path.split("/").filter((part) => part !== "")) {
      inParent(`${made}/${name}`, (fd, leaf) => {
        if (F.statIfPresent(fd, leaf) === undefined) Changes.makeDirectory(fd, leaf, 0o755);
      });
      made += `/${name}`;
    }
  }

  function setAttributes(fd: number, mode: number, { owner }: FileOptions): void {
    // chown first: it clears setuid and setgid
    Changes.chownFd(fd, owner?.[0] ?? 0, owner?.[1] ?? 0);
    Changes.chmodFd(fd, mode);
  }

  function removeIn(fd: number, name: ByteString): void {
    const stat = F.statIfPresent(fd, name);
    if (stat === undefined) return;
    const directory = (stat.mode & C.S_IFMT) === C.S_IFDIR;
    if (directory)
      within(F.openAt(fd, name, C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW), (below) => {
        for (const entry of F.readDirectory(below)) removeIn(below, entry.name);
      });
    Changes.unlinkAt(fd, name, directory ? C.AT_REMOVEDIR : 0);
  }

  function describe(fd: number, name: ByteString, stat: F.Stat): string {
    const common = `${stat.mode.toString(8)} ${stat.uid}:${stat.gid}`;
    const type = stat.mode & C.S_IFMT;
    if (type === C.S_IFLNK) return `${common} -> ${F.readLink(fd, name)}`;
    if (type === C.S_IFCHR || type === C.S_IFBLK) return `${common} ${stat.rdevMajor}:${stat.rdevMinor}`;
    if (type !== C.S_IFREG) return common;
    return within(F.openAt(fd, name, C.O_RDONLY | C.O_NOFOLLOW), (file) => {
      const content = F.readAllFd(file, 1 << 30);
      return `${common} ${content.length} ${createHash("md5").update(content).digest("hex")}`;
    });
  }

  function walk(fd: number, prefix: ByteString, into: Record<ByteString, string>): void {
    const names = F.readDirectory(fd).map((entry) => entry.name);
    for (const name of names.sort()) {
      const stat = F.statAt(fd, name);
      into[prefix + name] = describe(fd, name, stat);
      if ((stat.mode & C.S_IFMT) === C.S_IFDIR)
        within(F.openAt(fd, name, C.O_RDONLY | C.O_DIRECTORY), (below) =>
          walk(below, `${prefix}${name}/`, into),
        );
    }
  }

  function stat(path: ByteString, follow = false): F.Stat | undefined {
    try {
      if (follow) return within(open(path, C.O_PATH), (fd) => F.fstat(fd));
      return inParent(path, (fd, name) => F.statIfPresent(fd, name));
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
      throw error;
    }
  }

  function readBytes(path: ByteString): Uint8Array {
    return within(open(path, C.O_RDONLY), (fd) => F.readAllFd(fd, 1 << 30));
  }

  return {
    readBytes,
    stat,
    read: (path) => Buffer.from(readBytes(path)).toString("latin1"),
    write(path, content, options = {}) {
      makeDirectories(path.slice(0, path.lastIndexOf("/")));
      within(open(path, C.O_WRONLY | C.O_CREAT | C.O_TRUNC, 0o600), (fd) => {
        F.writeAll(fd, typeof content === "string" ? toBytes(content) : content);
        setAttributes(fd, options.mode ?? 0o644, options);
      });
    },
    mkdir(path, options = {}) {
      makeDirectories(path);
      within(open(path, C.O_RDONLY | C.O_DIRECTORY), (fd) =>
        setAttributes(fd, options.mode ?? 0o755, options),
      );
    },
    symlink: (target, path) => inParent(path, (fd, name) => Changes.makeSymlink(target, fd, name)),
    link: (from, path) =>
      inParent(from, (fromFd, fromName) =>
        inParent(path, (fd, name) => Changes.makeLink(fromFd, fromName, fd, name)),
      ),
    readlink: (path) => inParent(path, (fd, name) => F.readLink(fd, name)),
    chmod: (path, mode) =>
      within(open(path, C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY), (fd) => Changes.chmodFd(fd, mode)),
    chown: (path, uid, gid) =>
      within(open(path, C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY), (fd) => Changes.chownFd(fd, uid, gid)),
    rename: (from, to) =>
      inParent(from, (fromFd, fromName) =>
        inParent(to, (toFd, toName) => Changes.renameAt(fromFd, fromName, toFd, toName)),
      ),
    remove(path) {
      if (stat(path) !== undefined) inParent(path, removeIn);
    },
    exists: (path) => stat(path) !== undefined,
    list: (path) =>
      within(open(path, C.O_RDONLY | C.O_DIRECTORY), (fd) =>
        F.readDirectory(fd)
          .map((entry) => entry.name)
          .sort(),
      ),
    snapshot(path) {
      const into: Record<ByteString, string> = {};
      within(open(path, C.O_RDONLY | C.O_DIRECTORY), (fd) => walk(fd, "", into));
      return into;
    },
  };
}
