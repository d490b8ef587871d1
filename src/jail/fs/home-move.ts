import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, isErrno } from "../../../ffi/error.ts";
import { close, fstat, openAt, readLink, type Stat, statIfPresent, withFd } from "../../../ffi/files.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { lookAt } from "../../../ffi/stat-keys.ts";
import { quoted } from "../../cli/display.ts";
import { answered, describeError, isReported, JailkitError } from "../../cli/error.ts";
import { octal } from "../../cli/octal.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { adviceAt } from "../../system/exchange.ts";
import { asideCommand } from "../../system/free-name.ts";
import { isSomebodys, livingOwner, unlessHomeOf } from "../../system/home-owner.ts";
import { below, ownMounts } from "../../system/mountinfo.ts";
import { joinHome } from "../../system/separator.ts";
import { nameError, type Original, withOriginal } from "./home-fill.ts";
import { HomeThread } from "./home-pass.ts";
import { mountPoint, namesOfFiles, pathIn, sizesIn, walkHome } from "./home-scan.ts";
import { Seen } from "./home-seen.ts";
import { modeBefore, reopenTop } from "./home-top.ts";
import { lookUp } from "./look.ts";
import { nearestDirectory } from "./nearest.ts";
import type { SizedEntry } from "./room.ts";
import { type Directory, hostPath, type JailRoot, onSameMount, release, withDirectory } from "./walk.ts";

/** A home to move: its open directory, and what a copy has seen of it. */
export interface HomeSource extends Original {
  /** On the host, for messages. */
  readonly path: ByteString;
  /** O_PATH; close it with closeHome. */
  readonly fd: number;
  readonly seen: Seen;
  readonly thread: HomeThread;
  /** The mode that it had, if only root and its user may enter it until closeHome. */
  readonly closed: { mode: number | undefined };
}

function openOwn(host: JailRoot, path: ByteString, uid: number): number {
  const fd = withDirectory(host, path, (home) => openAt(home.fd, ".", C.O_PATH | C.O_DIRECTORY));
  if (fstat(fd).uid === uid) return fd;
  close(fd);
  const message = `${quoted(hostPath(host, path))} does not belong to the user (uid ${uid}): nothing is moved`;
  throw new JailkitError("not-their-home", 1, message);
}

/** Throws if openHome would refuse the home itself, or if something is mounted in it. The rest of the content is not checked. */
export function requireMovable(host: JailRoot, path: ByteString, uid: number): void {
  const shown = hostPath(host, path);
  // Mounts have no symbolic links in their paths.
  const real = withFd(
    openOwn(host, path, uid),
    (fd) => attempt(() => readLink(C.AT_FDCWD, `/proc/self/fd/${fd}`)) ?? shown,
  );
  for (const { id, mountPoint: where } of answered(ownMounts) ?? []) {
    const inside = below(where, real);
    // Another mount may hide it.
    if (inside && statIfPresent(C.AT_FDCWD, where)?.mountId === id) throw mountPoint(shown, inside.slice(1));
  }
}

/** False if a home of the directory `parent` is copied to `to` in any case. */
export function mayMoveWhole({ trusted, stat }: Directory, root: JailRoot, to: ByteString): boolean {
  const target = nearestDirectory(root, directoryOf(to));
  const isSame = onSameMount(stat, target.stat);
  release(target);
  return trusted && isSame;
}

/** What the copy of a home will have; undefined if it may move without one. Throws as requireMovable and walkHome. */
export function sizesToCopy(
  host: JailRoot,
  path: ByteString,
  uid: number,
  root: JailRoot,
  to: ByteString,
): { readonly sizes: readonly SizedEntry[]; readonly stat: Stat } | undefined {
  if (withDirectory(host, directoryOf(path), (parent) => mayMoveWhole(parent, root, to))) return undefined;
  return withFd(openOwn(host, path, uid), (fd) => ({
    sizes: [...sizesIn(fd, hostPath(host, path)), { size: 0, allocated: 0 }],
    stat: fstat(fd),
  }));
}

/** What to do about a directory of the same user there, as after an older passwd(5) has come back. */
function ownInstead(
  root: JailRoot,
  to: ByteString,
  { name }: Pick<PasswdEntry, "name">,
  keep: string,
): string {
  const give = `usermod -d ${shellWord(joinHome(root.path, to))} ${operands(name)}`;
  return `it belongs to ${quoted(name)}: if that is its home: ${give}; if not, ${keep}`;
}

/** The error for a new home that exists. `user`: whose it would be. */
export function homeExists(
  root: JailRoot,
  to: ByteString,
  user?: Pick<PasswdEntry, "name" | "uid">,
): JailkitError {
  const place = hostPath(root, to);
  const { advice, remedy } = adviceAt(place, asideCommand(place));
  const keep = `keep it under another name: ${advice}`;
  const stat = answered(() => lookUp(root, to)?.stat);
  // No program sets aside what may be the home of somebody, also of one who is gone.
  const home = stat && isSomebodys(stat) ? stat : undefined;
  const owner = home && livingOwner(home);
  const isOwn = user !== undefined && home?.uid === user.uid && root.isJail;
  const own = isOwn ? ownInstead(root, to, user, keep) : undefined;
  const what = own ?? (owner === undefined ? keep : unlessHomeOf(owner, keep));
  const message = `${quoted(place)} exists already: ${what}`;
  return new JailkitError("home-exists", 1, message, undefined, home === undefined ? remedy : undefined);
}

/**
 * Opens the home of `uid`. `host` is the host's root (openTree("/")); symbolic links on the way are followed only in
 * directories that only root can write. Throws JailkitError if it is not a directory of that user.
 */
export function openHome(host: JailRoot, path: ByteString, uid: number): HomeSource {
  const fd = openOwn(host, path, uid);
  return {
    path: hostPath(host, path),
    fd,
    seen: new Seen(),
    thread: new HomeThread(),
    closed: { mode: modeBefore(fd) },
  };
}

/**
 * Closes a home that openHome returned, with the permissions that it had. `warn` gets a line if it stays closed to others: the
 * account may be in its new home by now, so that this does not undo the move, nor hides why it failed.
 */
export function closeHome(home: HomeSource, warn: (line: ByteString) => void): void {
  const { fd, path, closed } = home;
  try {
    if (closed.mode !== undefined) reopen(fd, path, closed.mode, warn);
  } finally {
    close(fd);
  }
}

function reopen(fd: number, path: ByteString, mode: number, warn: (line: ByteString) => void): void {
  try {
    reopenTop(fd, mode);
  } catch (error) {
    if (!isReported(error)) throw error;
    // Not every file system lets the mode of a directory be read that is gone.
    if (answered(() => statIfPresent(C.AT_FDCWD, path)) === undefined) return;
    const { advice } = adviceAt(path, `chmod ${octal(mode)} ${shellWord(path)}`);
    const what = `${quoted(path)} is still closed to others, as it was while it was copied`;
    warn(`${what} (${describeError(error)}); to open it again: ${advice}`);
  }
}

/** True if every inode and change time in the home is still as it was copied. Throws SystemError with the whole path. */
export function isUnchanged(home: HomeSource): boolean {
  try {
    return compare(home);
  } catch (error) {
    // A name that was listed is gone, or is no directory any more.
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return false;
    throw error;
  }
}

function compare({ fd, path, seen, thread, list }: HomeSource): boolean {
  let count = 0;
  let same = true;
  const expectSeen = (at: ByteString) => {
    count++;
    same &&= seen.hasOriginalLast(at);
  };
  using pass = thread.begin({ work: "look", seen: seen.share() });
  walkHome(
    fd,
    path,
    (level) => {
      expectSeen(level.path);
      const from = level.keep();
      pass.share({ from, to: -1, path: level.path }, namesOfFiles(level), {
        own: (name) => {
          const at = pathIn(level, name);
          try {
            lookAt(from, name);
          } catch (error) {
            throw nameError(error, path, at);
          }
          expectSeen(at);
        },
        told: () => {
          count++;
        },
      });
    },
    list,
  );
  pass.finish();
  return same && count === seen.size;
}

/** Opens each file of a home once, so that all leases (fcntl(2)) that keep some from being opened end at the same time. */
export function askForAll({ fd, path }: HomeSource): void {
  walkHome(fd, path, (level) => {
    for (const names of namesOfFiles(level))
      for (const name of names) attempt(() => withOriginal(level.fd, name, () => undefined));
  });
}
