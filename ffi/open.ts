import type { ByteString } from "./bytes.ts";
import * as C from "./constants.ts";
import { SystemError } from "./error.ts";
import { addressOf, cArgument, check, errno, fail, libc, syscall } from "./libc.ts";
import { asksFirst, STATX_BASIC_STATS, statx, statxWord } from "./statx.ts";

// O_TMPFILE has the bit of O_DIRECTORY, which creates nothing.
const CREATES = C.O_CREAT | (C.O_TMPFILE & ~C.O_DIRECTORY);

/** openat(2). O_CLOEXEC is always set. `dirfd` may be AT_FDCWD. Returns the descriptor. */
export function openAt(dirfd: number, path: ByteString, flags: number, mode = 0): number {
  if (asksFirst() && (flags & (C.O_PATH | CREATES)) === 0) return openAsked(dirfd, path, flags);
  return check(libc.openat(dirfd, cArgument(path), flags | C.O_CLOEXEC, mode), "open", path);
}

const howBuffer = new BigUint64Array(3);
// SAFETY: struct open_how is three words, which this module holds.
const howAddress = addressOf(howBuffer);
const HOW_SIZE = 24;
// Others rename and mount all the time: what must wait a little then is not to fail.
const [AT_ONCE, MOST_ATTEMPTS, PAUSE] = [64, 256, 1];

/**
 * openat2(2) with `resolve` (RESOLVE_*). O_CLOEXEC is always set. After EAGAIN (a rename or a mount raced the walk) it is
 * tried again, at last with pauses. EXDEV and ELOOP mean that `path` left `dirfd` or contains a forbidden symbolic link.
 */
export function openAt2(dirfd: number, path: ByteString, flags: number, resolve: number, mode = 0): number {
  // A lease (fcntl(2)), which says the same, lasts.
  const most = (flags & C.O_NONBLOCK) === 0 ? MOST_ATTEMPTS : AT_ONCE;
  for (let attempt = 1; ; attempt++) {
    howBuffer[0] = BigInt(flags | C.O_CLOEXEC);
    howBuffer[1] = BigInt(mode);
    howBuffer[2] = BigInt(resolve);
    const fd = syscall(C.SYS_openat2, dirfd, addressOf(cArgument(path)), howAddress, HOW_SIZE);
    if (fd >= 0) return fd;
    const number = errno();
    if ((number !== C.EAGAIN && number !== C.EINTR) || attempt === most)
      throw new SystemError(number, "openat2", path);
    if (attempt >= AT_ONCE) Bun.sleepSync(PAUSE);
  }
}

/** As openAt: a file or directory on which something is mounted is only opened if its server may be asked. */
function openAsked(dirfd: number, path: ByteString, flags: number): number {
  if (path.includes("/")) {
    if ((flags & C.O_DIRECTORY) === 0)
      return check(libc.openat(dirfd, cArgument(path), flags | C.O_CLOEXEC, 0), "open", path);
  } else {
    howBuffer[0] = BigInt(flags | C.O_CLOEXEC);
    howBuffer[1] = 0n;
    howBuffer[2] = BigInt(C.RESOLVE_NO_XDEV);
    const fd = syscall(C.SYS_openat2, dirfd, addressOf(cArgument(path)), howAddress, HOW_SIZE);
    // systemd.exec(5): with RestrictSUIDSGID= there is no openat2(2).
    if (fd >= 0 || (errno() !== C.EXDEV && errno() !== C.ENOSYS)) return check(fd, "open", path);
  }
  const named = C.O_PATH | C.O_CLOEXEC | (flags & (C.O_NOFOLLOW | C.O_DIRECTORY));
  const at = check(libc.openat(dirfd, cArgument(path), named, 0), "open", path);
  try {
    if (!statx(at, "", C.AT_EMPTY_PATH, STATX_BASIC_STATS)) fail("statx", path);
    const isDirectory = (statxWord(28) & C.S_IFMT) === C.S_IFDIR;
    // By the descriptor: the name may lead to another mount by now.
    const [from, again, how] = isDirectory
      ? [at, ".", flags]
      : [C.AT_FDCWD, `/proc/self/fd/${at}`, flags & ~C.O_NOFOLLOW];
    return check(libc.openat(from, cArgument(again), how | C.O_CLOEXEC, 0), "open", path);
  } finally {
    libc.close(at);
  }
}
