import { type ByteString, fromBytes, toBytes } from "../../../ffi/bytes.ts";
import { lockFile, unlinkIfPresent } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { close, fstat, openAt, readAt, sameFile, statIfPresent, writeAll } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { atSpot, type Spot } from "./look.ts";
import { requireSafeJail } from "./safety.ts";
import { hostPath, isRegular, type JailRoot, namedError } from "./walk.ts";
import { putFile } from "./write.ts";

const unsafe = (at: ByteString, what: string) =>
  new JailkitError("unsafe-jail", 1, `${display(at)}: ${what}`);

/** Throws JailkitError "unsafe-jail" if users other than root could replace the file at a spot. */
export function requireTrustedSpot({ root, parent }: Spot): void {
  if (parent.trusted) return;
  requireSafeJail(root, 1);
  throw unsafe(hostPath(root, parent.path), "must belong to root and be writable by nobody else");
}

/**
 * Locks the file at `path`, and creates it if missing; close(2) of the returned descriptor unlocks it. The file is root's
 * and 0600, because any user who can open a file can hold its lock (flock(2)) forever. Throws JailkitError "unsafe-jail"
 * if users other than root could replace it.
 */
export function takeLock(root: JailRoot, path: ByteString): number {
  putFile(root, path, new Uint8Array(0), { uid: 0, gid: 0, mode: 0o600 });
  const shown = hostPath(root, path);
  return atSpot(root, path, (spot) => {
    requireTrustedSpot(spot);
    const { parent, name } = spot;
    try {
      const fd = openAt(parent.fd, name, C.O_RDWR | C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY);
      const stat = fstat(fd);
      if (isRegular(stat) && stat.uid === libc.geteuid() && (stat.mode & 0o077) === 0) {
        lockFile(fd, C.LOCK_EX);
        return fd;
      }
      close(fd);
    } catch (error) {
      throw namedError(error, shown);
    }
    throw unsafe(shown, "is not root's own file of mode 0600; move it away");
  });
}

// Of the text in a lock file.
const HOLDER_SIZE = 64;

/** The process that holds a lock file, or did so last: "PID NAME"; undefined if it has not written that. */
export function holderOf(fd: number): ByteString | undefined {
  const buffer = new Uint8Array(HOLDER_SIZE);
  const text = fromBytes(buffer.subarray(0, readAt(fd, buffer, 0))).trim();
  return /^[0-9]{1,10} [ -~]+$/.test(text) ? text : undefined;
}

/**
 * Opens `name` in an open directory that only root can open, creates it if it is missing, and calls `lock` until what is locked is
 * still there by that name: its holder may have removed it meanwhile. Returns its descriptor. Throws SystemError, and what `lock`
 * throws.
 */
export function lockedFile(directory: number, name: ByteString, lock: (fd: number) => void): number {
  const flags = C.O_RDWR | C.O_CREAT | C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY;
  for (;;) {
    const fd = openAt(directory, name, flags, 0o600);
    try {
      lock(fd);
      if (isNamed(directory, name, fd)) return fd;
    } catch (error) {
      close(fd);
      throw error;
    }
    close(fd);
  }
}

/** Whether an open file is the one of this name. */
export function isNamed(directory: number, name: ByteString, fd: number): boolean {
  const there = statIfPresent(directory, name);
  return there !== undefined && sameFile(there, fstat(fd));
}

/**
 * Locks `name` in an open directory that only root can open; returns its descriptor for releaseName. The file exists only
 * while it is locked, or after its holder was killed. If another process holds it, `wait` is called with that process
 * ("PID NAME") until the lock is free: it waits a moment and returns "again", or "block" to wait here, or throws.
 */
export function lockName(
  directory: number,
  name: ByteString,
  me: string,
  wait: (holder: ByteString | undefined) => "again" | "block",
): number {
  const locked = lockedFile(directory, name, (fd) => {
    let isLocked = lockFile(fd, C.LOCK_EX | C.LOCK_NB);
    while (!isLocked) {
      isLocked =
        wait(holderOf(fd)) === "block" ? lockFile(fd, C.LOCK_EX) : lockFile(fd, C.LOCK_EX | C.LOCK_NB);
    }
  });
  // Only for messages: a full disk does not matter.
  attempt(() =>
    writeAll(locked, toBytes(`${libc.getpid()} ${me}`.slice(0, HOLDER_SIZE).padEnd(HOLDER_SIZE))),
  );
  return locked;
}

/** Unlocks what lockName has locked, and removes the file: first, so that nobody locks a file that is about to go. */
export function releaseName(directory: number, name: ByteString, fd: number): void {
  attempt(() => unlinkIfPresent(directory, name));
  close(fd);
}
