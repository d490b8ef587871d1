import type { ByteString } from "../../../ffi/bytes.ts";
import { lockFile, unlinkAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, SystemError } from "../../../ffi/error.ts";
import { close, fstat, openAt, sameFile, statIfPresent, withFd } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { namesIn } from "./names.ts";
import { type Directory, isRegular } from "./walk.ts";

// The temporary files of data. Their makers hold a lock on them until they have their names, so that whoever gets the lock
// knows that the maker was killed.

const PREFIX = ".jk-put-";
const HELD = /^\.jk-put-[\w-]{12}$/;

/** The name of a temporary file that is held, from one that nobody can guess. */
export const heldName = (temporary: ByteString): ByteString => PREFIX + temporary.slice(".jk-".length);

/** Directories in which this process has looked for what others left. */
const swept = new Set<string>();

/**
 * Creates a temporary file and locks it: the caller closes it when it has its name. Throws SystemError, EEXIST also if it was
 * taken for one that was left.
 */
export function createHeld(stage: Directory, name: ByteString): number {
  sweepHeld(stage);
  const fd = openAt(stage.fd, name, C.O_WRONLY | C.O_CREAT | C.O_EXCL | C.O_NOFOLLOW, 0o600);
  try {
    // Without locks, as on some network file systems, nothing is ever swept.
    const isLocked = attempt(() => lockFile(fd, C.LOCK_EX | C.LOCK_NB)) ?? true;
    const there = isLocked ? statIfPresent(stage.fd, name) : undefined;
    if (there === undefined || !sameFile(there, fstat(fd)))
      throw new SystemError(C.EEXIST, "open", undefined);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** Removes what makers that were killed have left in a directory, if only root can write it. */
function sweepHeld(stage: Directory): void {
  const { devMajor, devMinor, ino } = stage.stat;
  const key = `${devMajor}:${devMinor}:${ino}`;
  if (!stage.trusted || swept.has(key)) return;
  swept.add(key);
  for (const name of attempt(() => namesIn(stage)) ?? []) {
    // A leftover does no harm.
    if (HELD.test(name)) attempt(() => sweepOne(stage, name));
  }
}

function sweepOne(stage: Directory, name: ByteString): void {
  withFd(openAt(stage.fd, name, C.O_RDONLY | C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY), (fd) => {
    const stat = fstat(fd);
    if (!isRegular(stat) || stat.uid !== libc.geteuid() || !lockFile(fd, C.LOCK_EX | C.LOCK_NB)) return;
    // It may have got its name meanwhile.
    const there = statIfPresent(stage.fd, name);
    if (there !== undefined && sameFile(there, stat)) unlinkAt(stage.fd, name);
  });
}
