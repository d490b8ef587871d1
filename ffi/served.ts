import { type ByteString, fromBytes } from "./bytes.ts";
import * as C from "./constants.ts";
import { isErrno, UnansweredMount } from "./error.ts";
import { openAt, readAllFd, withFd } from "./files.ts";
import { directoryOf, pathsDownTo } from "./paths.ts";
import { STATX_BASIC_STATS, setMayAsk, statxBuffer, statxKnown, statxWord } from "./statx.ts";

/** Decodes the octal escapes of blanks, tabs, newlines and backslashes. */
export function unescaped(field: ByteString): ByteString {
  if (!field.includes("\\")) return field;
  return field.replace(/\\([0-3][0-7]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

// File systems that a server knows better than the kernel's memory of them.
const SERVED = /^(?:9p|afs|autofs|ceph|cifs|fuse|fuseblk|fuse\..*|lustre|nfs4?|ocfs2|orangefs|smb3|smbfs)$/;
const FUSE = /^fuse(?:blk|\..*)?$/;
// 5,000 mounts take 0.75 MB.
const LIMIT = 1 << 26;

/** The error: its server must not be asked. */
type Answers = "kernel" | "served" | UnansweredMount;

const known = new Map<bigint, Answers>();

/** Looks at the mounts of this process. A mount is in the text before those in it. */
function look(): void {
  const closed: ByteString[] = [];
  // The caller's result is in it.
  const kept = Buffer.from(statxBuffer);
  // Without its size, which statx(2) would tell, and so ask for this.
  const text = withFd(openAt(C.AT_FDCWD, "/proc/self/mountinfo", C.O_RDONLY), (fd) =>
    readAllFd(fd, LIMIT, 0),
  );
  known.clear();
  for (const line of fromBytes(text).split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [id = "", , , , point = ""] = before.split(" ");
    const [type = "", , options = ""] = after.split(" ");
    if (id === "") continue;
    let answers: Answers = SERVED.test(type) ? "served" : "kernel";
    if (FUSE.test(type)) {
      const at = unescaped(point);
      const uid = Number(/(?:^|,)user_id=(\d+)/.exec(options)?.[1] ?? 0);
      const isInPlace = isRoots(at, closed);
      if (uid !== 0 || !isInPlace) {
        answers = new UnansweredMount(at, uid, isInPlace);
        closed.push(at);
      }
    }
    known.set(BigInt(id), answers);
  }
  statxBuffer.set(kept);
}

/** True if only root could choose the place of a mount: a program of root's serves none elsewhere. */
function isRoots(at: ByteString, closed: readonly ByteString[]): boolean {
  // Even the way there leads through what may never answer.
  if (closed.some((above) => at.startsWith(`${above}/`))) return false;
  return ["/", ...pathsDownTo(directoryOf(at))].every((path) => {
    const seen = statxKnown(C.AT_FDCWD, path, C.AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS);
    return seen && statxWord(20) === 0 && (statxWord(28) & 0o022) === 0;
  });
}

function mayAsk(mountId: bigint): boolean {
  if (!known.has(mountId)) {
    try {
      look();
    } catch (error) {
      // Without proc(5) nothing tells; who needs it says so.
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }
  // Of a mount of other processes, what the kernel knows of it has to do.
  const answers = known.getOrInsertComputed(mountId, () => "kernel");
  if (answers instanceof UnansweredMount) {
    throw new UnansweredMount(answers.mountPoint, answers.uid, answers.isInPlace);
  }
  return answers === "served";
}

/**
 * From now on this thread waits for no file system that a program of a user serves (FUSE), or one of root's in a directory
 * that users can write: such a program may never answer, and so stop all others. statx(2) there asks nothing, and
 * open(2) fails before it asks: UnansweredMount. Files below such a mount must be reached component by component.
 */
export function neverWait(): void {
  setMayAsk(mayAsk);
}
