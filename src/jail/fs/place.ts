import type { ByteString } from "../../../ffi/bytes.ts";
import { makeLink, renameAt, syncFd, unlinkAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno, SystemError } from "../../../ffi/error.ts";
import { openAt, type Stat, sameFile, statIfPresent, withFd } from "../../../ffi/files.ts";
import { pathComponents } from "../../../ffi/paths.ts";
import { takeProject } from "../../../ffi/project.ts";
import { display, quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { withAdvice } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { adviceAt, adviceOf, onlyRootWrites } from "../../system/exchange.ts";
import { requireNoHostMount } from "./host-mounts.ts";
import { atSpot, type Spot, splitPath, spotPath } from "./look.ts";
import { noJailAt } from "./no-jails.ts";
import {
  type Directory,
  forgetDirectories,
  hostPath,
  isDirectory,
  isLink,
  isRegular,
  type JailRoot,
  joinPath,
  namedError,
  walk,
  withDirectory,
} from "./walk.ts";

/** The result of a write: the name is new, was replaced, or was left as it was. */
export type Placement = "created" | "replaced" | "kept";

export interface PutOptions {
  /** Replace an existing file; else the result is "kept". */
  replace?: boolean;
  /** The caller has seen that the name is free, which saves one call. A file that appears meanwhile is still kept. */
  absent?: boolean;
  /** Of a file that we read again, the bytes that its readers take: more is not written, and what is there stays. */
  most?: number;
}

const pool = new Uint8Array(1536);
let used = pool.length;

/** A name that nobody can guess: ".jk-" and 72 random bits. */
export function temporaryName(): ByteString {
  if (used + 9 > pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  const bytes = pool.subarray(used, used + 9);
  used += 9;
  return `.jk-${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64url")}`;
}

/**
 * The directory to prepare a file for `parent` in: where users can write, they could exchange it between two steps. So this
 * is the nearest trusted directory above, or `parent` itself if there is none on the same mount.
 */
export function stageFor(root: JailRoot, parent: Directory): Directory {
  const stage = parent.stage;
  if (parent.trusted || stage === undefined) return parent;
  return stage.fd >= 0 ? stage : walk(root, stage.path);
}

/** As stageFor, for a trusted directory only. Throws JailkitError "no-safe-place", with the remedy. */
export function requireStage(root: JailRoot, parent: Directory): Directory {
  const stage = stageFor(root, parent);
  if (stage.trusted) return stage;
  const parts = pathComponents(parent.path);
  let open: ByteString | undefined;
  let sticky = false;
  let own = false;
  for (let count = 0; count <= parts.length; count++) {
    withDirectory(root, parts.slice(0, count).join("/"), ({ path, stat }) => {
      if (onlyRootWrites(stat)) return;
      open ??= hostPath(root, path);
      sticky ||= (stat.mode & C.S_ISVTX) !== 0;
      own ||= noJailAt(stat) !== undefined;
    });
  }
  const where = quoted(hostPath(root, parent.path));
  const what = `no home can be copied to ${where}, because users can write every directory on its mount`;
  // Users can exchange those below it.
  const fix = open === undefined ? undefined : adviceAt(open, `chmod go-w ${operands(open)}`);
  if (fix !== undefined && !sticky && !own)
    throw new JailkitError("no-safe-place", 1, withAdvice(what, adviceOf(fix)), undefined, fix.remedy);
  // The top of a file system is sticky if nobody has given it another mode.
  const close = own ? undefined : fix?.remedy;
  const or = close ? `; or, if nobody else has to write there, type: ${close}` : "";
  const message = `${what}; choose a home that is not below a directory that everybody can write${or}`;
  throw new JailkitError("no-safe-place", 1, message);
}

/** Calls `make` with new random names until one is free, and returns that. */
export function withTemporaryName(make: (name: ByteString) => void, newName = temporaryName): ByteString {
  for (let attempt = 1; ; attempt++) {
    const name = newName();
    try {
      make(name);
      return name;
    } catch (error) {
      if (!isErrno(error, "EEXIST") || attempt === 16) throw error;
    }
  }
}

/** Removes a name if it still is the file `made`; undefined: none was created. For cleaning up after an error. */
export function discard(directory: Directory, name: ByteString, made: Stat | undefined, flags = 0): void {
  try {
    const there = made === undefined ? undefined : statIfPresent(directory.fd, name);
    if (made === undefined || there === undefined || !sameFile(there, made)) return;
    unlinkAt(directory.fd, name, flags);
  } catch {
    // The user may have moved it, or the disk failed: the first error says more.
  }
}

/** fsync(2) of a directory, if the jail was opened with `sync`. */
export function syncDirectory(root: JailRoot, directory: Directory): void {
  if (root.sync) withFd(openAt(directory.fd, ".", C.O_RDONLY | C.O_DIRECTORY), syncFd);
}

/** renameat2(RENAME_NOREPLACE), also on a file system without that flag. `directory`: the moved file is one. */
export function renameNew(
  from: Directory,
  name: ByteString,
  to: Directory,
  target: ByteString,
  directory = false,
) {
  try {
    renameAt(from.fd, name, to.fd, target, C.RENAME_NOREPLACE);
  } catch (error) {
    if (!isErrno(error, "EINVAL", "ENOSYS")) throw error;
    // rename(2) of a directory replaces only an empty directory.
    if (directory) return renameAt(from.fd, name, to.fd, target);
    makeLink(from.fd, name, to.fd, target);
    unlinkAt(from.fd, name);
  }
}

// Who owns the directory may give it another project each time.
const MOST_PROJECTS = 64;

/**
 * Calls `move`, which moves what was prepared in a stage to its directory. One of another project (chattr(1), -p) takes it in
 * only if it has the same, and the owner of a directory chooses that.
 */
export function movingIn(stage: Directory, name: ByteString, to: Directory, move: () => void): void {
  for (let attempt = 1; ; attempt++) {
    try {
      move();
      return;
    } catch (error) {
      const isOver = attempt === MOST_PROJECTS || !isErrno(error, "EXDEV") || !stage.trusted;
      if (isOver || !joinProject(stage, name, to)) throw error;
    }
  }
}

/** Gives what was prepared in a trusted directory the project of another one; false if that changes nothing. */
function joinProject(stage: Directory, name: ByteString, to: Directory): boolean {
  const stat = statIfPresent(stage.fd, name);
  // No device is opened, and what has other names is not ours alone.
  if (stat === undefined || !(isDirectory(stat) || (isRegular(stat) && stat.nlink === 1))) return false;
  return withFd(openAt(stage.fd, name, C.O_RDONLY | C.O_NOFOLLOW | C.O_NONBLOCK), (file) =>
    withFd(openAt(to.fd, ".", C.O_RDONLY | C.O_DIRECTORY), (directory) => takeProject(file, directory)),
  );
}

/**
 * Puts a file (not a directory) at a spot: `make` prepares it under a random name, and it appears by one rename(2). A file
 * of that name is not opened, followed or changed. `make` must create exclusively (O_EXCL), and reports its file as soon as
 * it exists. `newName`: of the temporary names. Throws JailkitError "directory-in-the-way", SystemError with the path.
 */
export function place(
  spot: Spot,
  { replace = false, absent = false }: PutOptions,
  make: (stage: Directory, temporary: ByteString, made: (stat: Stat) => void) => void,
  newName?: () => ByteString,
): Placement {
  const { root, parent, name } = spot;
  try {
    const existing = absent ? undefined : statIfPresent(parent.fd, name);
    if (existing !== undefined && isDirectory(existing)) throw directoryInTheWay(spot);
    if (existing !== undefined && !replace) return "kept";
    requireNoHostMount(root, parent, joinPath(parent.path, name));
    const stage = stageFor(root, parent);
    let temporary: ByteString | undefined;
    let made: Stat | undefined;
    try {
      withTemporaryName((candidate) => {
        temporary = candidate;
        make(stage, candidate, (stat) => {
          made = stat;
        });
      }, newName);
      if (temporary === undefined || made === undefined) return "kept";
      const placement = settle(spot, stage, temporary, existing !== undefined, replace);
      // Without a trusted directory, it may have been exchanged between two steps.
      if (placement !== "kept" && !stage.trusted) requireSame(parent, name, made);
      if (placement === "kept") {
        discard(stage, temporary, made);
        const there = statIfPresent(parent.fd, name);
        if (there !== undefined && isDirectory(there)) throw directoryInTheWay(spot);
      }
      if (existing !== undefined && isLink(existing)) forgetDirectories(root, parent);
      syncDirectory(root, parent);
      return placement;
    } catch (error) {
      if (temporary !== undefined) discard(stage, temporary, made);
      throw error;
    }
  } catch (error) {
    if (isErrno(error, "EISDIR")) throw directoryInTheWay(spot);
    throw namedError(error, spotPath(spot));
  }
}

function requireSame(parent: Directory, name: ByteString, made: Stat): void {
  const there = statIfPresent(parent.fd, name);
  if (there === undefined || !sameFile(there, made)) throw new SystemError(C.EAGAIN, "exchanged", undefined);
}

function settle(
  { parent, name }: Spot,
  stage: Directory,
  temporary: ByteString,
  exists: boolean,
  replace: boolean,
): Placement {
  if (!exists) {
    try {
      movingIn(stage, temporary, parent, () => renameNew(stage, temporary, parent, name));
      return "created";
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
      if (!replace) return "kept";
    }
  }
  movingIn(stage, temporary, parent, () => renameAt(stage.fd, temporary, parent.fd, name));
  return "replaced";
}

function directoryInTheWay(spot: Spot): JailkitError {
  const message = `${display(spotPath(spot))}: is a directory; move it away first`;
  return new JailkitError("directory-in-the-way", 1, message);
}

/**
 * Moves `made`, prepared in the jail, to its place beside it by one rename(2); processes with the old file open keep it.
 * "exchange": the two change places (also a directory and a link); "new": the place must be free. Returns "kept" if the
 * place is not as it was seen. Throws EPERM if users other than root can change the directory, ESTALE if `made` is no
 * longer where it was prepared.
 */
export function moveInPlace(
  root: JailRoot,
  prepared: ByteString,
  to: ByteString,
  how: "replace" | "exchange" | "new",
  { made, present }: { readonly made: Stat; readonly present: Stat | undefined },
): Placement {
  const from = splitPath(root, prepared).name;
  return atSpot(root, to, (spot) => {
    const { parent, name } = spot;
    try {
      // Where users can write, they could have exchanged what was prepared.
      if (!parent.trusted) throw new SystemError(C.EPERM, "rename", undefined);
      requireNoHostMount(root, parent, joinPath(parent.path, name));
      const there = statIfPresent(parent.fd, name);
      if (!isSame(there, present)) return "kept";
      if (!isSame(statIfPresent(parent.fd, from), made)) throw new SystemError(C.ESTALE, "rename", undefined);
      if (there !== undefined && (isDirectory(there) || isLink(there))) forgetDirectories(root, parent);
      if (how === "new") renameNew(parent, from, parent, name, isDirectory(made));
      else renameAt(parent.fd, from, parent.fd, name, how === "exchange" ? C.RENAME_EXCHANGE : 0);
      syncDirectory(root, parent);
      return how === "new" ? "created" : "replaced";
    } catch (error) {
      if (how === "new" && isErrno(error, "EEXIST")) return "kept";
      throw namedError(error, spotPath(spot));
    }
  });
}

function isSame(there: Stat | undefined, seen: Stat | undefined): boolean {
  return there === undefined || seen === undefined ? there === seen : sameFile(there, seen);
}
