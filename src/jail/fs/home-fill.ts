import type { ByteString } from "../../../ffi/bytes.ts";
import { makeDirectory, makeLink } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno, SystemError } from "../../../ffi/error.ts";
import { fstat, openAt, openAt2, readLink, type Stat, statAt, withFd } from "../../../ffi/files.ts";
import { baseName } from "../../../ffi/paths.ts";
import { getXattr, listXattrs, setXattr } from "../../../ffi/xattrs.ts";
import { quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { stopIfInterrupted } from "../../cli/interrupt.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { freeName, freeNumbered } from "../../system/free-name.ts";
import { grantsRights } from "../../system/grants.ts";
import { type Attributes, chmodPath, setOwnerAndTimes } from "./attributes.ts";
import { NOTHING_MOVED } from "./home-copy.ts";
import type { HomeThread, Pass } from "./home-pass.ts";
import {
  type HomeLevel,
  type HomeName,
  isWhiteout,
  type List,
  mountPoint,
  pathIn,
  requireMount,
  WITHIN,
  walkHome,
} from "./home-scan.ts";
import type { Seen } from "./home-seen.ts";
import { isOfClosedTop } from "./home-top.ts";
import type { CopySpot, Spot } from "./look.ts";
import { type Directory, isDirectory, isRegular, type JailRoot, joinPath, namedError } from "./walk.ts";
import { createFileIn, putDeviceIn, putSymlinkIn, type Xattrs } from "./write.ts";

/** The original: an open directory, its path for messages, and the function that lists a directory. */
export interface Original {
  readonly path: ByteString;
  readonly fd: number;
  readonly list?: List;
  /** The permissions that its top had, if only root and its user have any while it is copied. */
  readonly closed?: { readonly mode: number | undefined };
}

/** Owner, mode and times that a copy keeps. */
export function attributesOf(stat: Stat): Attributes {
  // A directory keeps setgid, which only passes its group on.
  const kept = isDirectory(stat) ? 0o3777 : 0o1777;
  return { mode: stat.mode & kept, uid: stat.uid, gid: stat.gid, atime: stat.atime, mtime: stat.mtime };
}

/**
 * Fills the directory `top` of `root`, which only root can reach, with a copy of a home. Returns what gives `top` owner and mode:
 * from then on its user may bring there what others have. `step` is called before each name. Throws JailkitError, also if the home
 * changes meanwhile.
 */
export function fillCopy(
  home: Original,
  root: JailRoot,
  top: Directory,
  seen: Seen,
  step: () => void,
  thread: HomeThread,
): () => void {
  const { path, sync } = root;
  const mount = fstat(home.fd).mountId;
  using pass = thread.begin({ work: "copy", seen: seen.share(), root: { path, sync } });
  const copier = new Copier(home, root, top, seen, step, mount, pass);
  walkHome(home.fd, home.path, (level) => copier.copyLevel(level), home.list);
  pass.finish();
  return () => copier.finishTop();
}

/** A directory of a copy, which only root can reach, by its open descriptor. */
export function openCopy(fd: number, path: ByteString, mount?: Directory["mount"]): Directory {
  let known: Stat | undefined;
  const look = () => {
    known ??= fstat(fd);
    return known;
  };
  return {
    ...{ fd, path, trusted: true, stage: undefined, cached: false },
    // Few files need it, and a directory may have few files.
    get stat() {
      return look();
    },
    get mount() {
      return mount ?? { path: "/", stat: look() };
    },
  };
}

class Copier {
  // The first name of each file with several.
  private readonly linked = new Map<string, ByteString>();
  private finish: () => void = () => undefined;

  constructor(
    private readonly home: Original,
    private readonly root: JailRoot,
    private readonly top: Directory,
    private readonly seen: Seen,
    private readonly step: () => void,
    private readonly mount: Stat["mountId"],
    private readonly pass: Pass,
  ) {}

  copyLevel(level: HomeLevel): void {
    const { top, root, seen } = this;
    const { path } = level;
    const finish = this.named(path, () => this.finisher(level));
    const to = this.named(path, () => openAt2(top.fd, path || ".", C.O_RDONLY | C.O_DIRECTORY, WITHIN));
    const from = level.keep();
    const parent = openCopy(to, path === "" ? top.path : joinPath(top.path, path), top.mount);
    const copy = (type: number) => (name: ByteString) => {
      this.step();
      stopIfInterrupted(NOTHING_MOVED);
      const at = pathIn(level, name);
      this.named(at, () => this.copyName(from, { name, type }, at, { root, parent, name }));
    };
    const regular = function* () {
      for (const names of level.pieces) {
        yield names.filter(({ type }) => type === C.DT_REG).map(({ name }) => name);
        for (const { name, type } of names) if (type !== C.DT_REG) copy(type)(name);
      }
    };
    this.pass.share({ from, to, path }, regular(), {
      own: copy(C.DT_REG),
      told: (told) => {
        this.step();
        seen.add(told);
      },
      finish: () => this.named(path, () => finish(to)),
    });
  }

  /** Until now only root could open the top. */
  finishTop(): void {
    this.finish();
  }

  /** Notes a directory, and returns what gives its attributes to the copy when that is filled. */
  private finisher({ path, fd: from }: HomeLevel): (to: number) => void {
    const { seen, top } = this;
    seen.add(seen.lastOne(path));
    const stat = fstat(from);
    const xattrs = xattrsOf(from);
    const mode = path === "" ? this.home.closed?.mode : undefined;
    // With the mode, chmod(2) gives an ACL its mask back, too.
    const attributes = attributesOf(
      mode === undefined ? stat : { ...stat, mode: (stat.mode & C.S_IFMT) | mode },
    );
    const finish = (to: number) => {
      for (const [name, value] of xattrs) setXattr(to, name, value);
      setOwnerAndTimes(to, attributes);
      chmodPath(to, attributes.mode);
    };
    if (path !== "") return finish;
    return () => {
      // An ACL, too, would open the top.
      this.finish = () => withFd(openAt(top.fd, ".", C.O_RDONLY | C.O_DIRECTORY), finish);
    };
  }

  private copyName(from: number, { name, type }: HomeName, at: ByteString, spot: Spot): void {
    if (type === C.DT_DIR) {
      // It may be listed twice if its owner exchanges names meanwhile: then the name exists, perhaps as a symbolic link.
      makeDirectory(spot.parent.fd, name, 0o700);
      return;
    }
    if (type === C.DT_REG) {
      withOriginal(from, name, (fd, stat) => {
        this.note(at, stat);
        if (stat.nlink > 1 && this.linkFirst(stat, at, spot)) return;
        copyRegular(spot, fd, stat);
      });
      return;
    }
    const stat = statAt(from, name);
    if ((stat.mode & C.S_IFMT) >> 12 !== type) throw homeChanged(this.home.path);
    this.note(at, stat);
    // Nothing is in it, and not every file system takes one.
    if (isWhiteout(stat)) return;
    if (stat.nlink > 1 && this.linkFirst(stat, at, spot)) return;
    if (putSpecial(from, name, stat, spot) !== "created") throw homeChanged(this.home.path);
  }

  /** Notes what was looked at last. */
  private note(path: ByteString, stat: Stat): void {
    requireMount(this.home.path, path, stat, this.mount);
    this.seen.add(this.seen.lastOne(path));
  }

  /** Links a further name of a file to the copy of the first; false for the first. */
  private linkFirst(stat: Stat, at: ByteString, { parent, name }: Spot): boolean {
    const key = `${stat.devMajor}:${stat.devMinor}:${stat.ino}`;
    const first = this.linked.get(key);
    if (first === undefined) {
      this.linked.set(key, at);
      return false;
    }
    const flags = C.O_PATH | C.O_NOFOLLOW;
    withFd(openAt2(this.top.fd, first, flags, WITHIN), (fd) =>
      makeLink(fd, "", parent.fd, name, C.AT_EMPTY_PATH),
    );
    return true;
  }

  private named<T>(path: ByteString, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (isErrno(error, "EEXIST")) throw homeChanged(this.home.path);
      throw nameError(error, this.home.path, path);
    }
  }
}

/** Copies an open regular file with all that a copy keeps. Throws SystemError, JailkitError. */
export function copyRegular(spot: CopySpot, fd: number, stat: Stat): void {
  createFileIn(spot, { fd, size: stat.size }, attributesOf(stat), xattrsOf(fd));
}

/**
 * Opens a regular file that a directory listed: never a symbolic link or a FIFO that took its name, nor a file of another
 * mount, which may be the user's (FUSE) and never answer.
 */
export function withOriginal(dirfd: number, path: ByteString, use: (fd: number, stat: Stat) => void): void {
  const flags = C.O_RDONLY | C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY;
  withFd(openAt2(dirfd, path, flags, WITHIN), (fd) => {
    const stat = fstat(fd);
    if (!isRegular(stat)) throw new SystemError(C.EAGAIN, "changed while it was copied", undefined);
    use(fd, stat);
  });
}

/** Copies a symbolic link, FIFO or the name of a socket. Throws JailkitError for other types. */
export function putSpecial(dirfd: number, name: ByteString, stat: Stat, spot: Spot) {
  const attributes = attributesOf(stat);
  const numbers = { major: 0, minor: 0 };
  switch (stat.mode & C.S_IFMT) {
    case C.S_IFLNK:
      return putSymlinkIn(spot, readLink(dirfd, name), { attributes, absent: true });
    case C.S_IFIFO:
      return putDeviceIn(spot, { type: "fifo", ...numbers }, attributes, { absent: true });
    case C.S_IFSOCK:
      return putDeviceIn(spot, { type: "socket", ...numbers }, attributes, { absent: true });
    default:
      throw new JailkitError("home-not-movable", 1, `${quoted(name)}: of a type that cannot be moved`);
  }
}

/** The extended attributes of an open file that a copy keeps. ACLs name the same users and groups as in the old home. */
export function xattrsOf(fd: number): Xattrs {
  const names = listXattrs(fd);
  if (names.length === 0) return [];
  return names
    .filter((name) => !grantsRights(name) && !isOfClosedTop(name))
    .flatMap((name) => {
      const value = getXattr(fd, name);
      return value === undefined ? [] : [[name, value] as const];
    });
}

/** The same error, with the path of a file of the home. */
export function nameError(error: unknown, home: ByteString, path: ByteString): unknown {
  const whole = path === "" ? home : joinPath(home, path);
  if (isErrno(error, "EXDEV") && error.call === "openat2") return mountPoint(home, path);
  if (!(error instanceof SystemError) || error.call !== "flistxattr" || error.code !== "E2BIG")
    return namedError(error, whole);
  const [word, copy] = [shellWord(whole), shellWord(freeName(whole, ".new"))];
  const aside = shellWord(freeNumbered(`/var/tmp/${baseName(whole)}`));
  const message =
    `${quoted(whole)} has more extended attributes than a program can list: its owner can put a copy without them ` +
    `in its place: cp -rT ${word} ${copy} && mv -nT ${word} ${aside} && mv -nT ${copy} ${word}`;
  return new JailkitError("home-not-movable", 1, message);
}

/** The error for a home that somebody works in. */
export function homeChanged(path: ByteString): JailkitError {
  const message = `${quoted(path)} was changed while it was copied; nothing was moved, try again`;
  return new JailkitError("home-changed", 1, message);
}
