import type { ByteString } from "../../../ffi/bytes.ts";
import { O_DIRECTORY, O_RDONLY, SIGKILL } from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { openIfPresent, readLink, withFd } from "../../../ffi/files.ts";
import { sendSignal } from "../../../ffi/process.ts";
import type { PasswdEntry } from "../accounts.ts";
import { openProc, parentOf, pidsIn, readOf, uidsOf } from "../processes.ts";

// sshd looks the home and the shell up when a client sends the name, and begins the session with these when the proof has come,
// which may be minutes later.

const PROGRAM = /\/(?:sshd|sshd-session)$/;

/** What sshd calls its process of root for a connection with the name of this user (setproctitle(3)). Pure. */
export function isTitleFor(name: ByteString, title: ByteString): boolean {
  // It writes other bytes as strvis(3) does.
  const written = name.replace(/[^ -~]/g, (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, "0")}`);
  return ["sshd-session", "sshd"].some((program) => title === `${program}: ${written} [priv]`);
}

// What closes a session, which has no process any more, ends by itself: this long, in milliseconds, so often.
const PAUSE = 20;
const MOST_PASSES = 250;

/**
 * Ends the connections to sshd(8) that have named this account, and are not authenticated yet: they would begin a session with
 * the home and the shell that it had. Sessions go on. Returns how many it has ended. Throws JailkitError "no-proc", SystemError.
 */
export function endUnauthenticated(account: Pick<PasswdEntry, "name" | "uid">): number {
  return withFd(openProc(), (proc) => {
    let ended = 0;
    for (let pass = 0; ; pass++) {
      const found = waiting(proc, account);
      const isLast = pass === MOST_PASSES;
      const now = found.filter(({ hasChild }) => hasChild || isLast);
      ended += now.filter(({ pid }) => endOne(proc, pid, account.name)).length;
      if (now.length === found.length) return ended;
      Bun.sleepSync(PAUSE);
    }
  });
}

/** The processes of root for connections of an account without a session; one that reads what the client says is their child. */
function waiting(proc: number, { name, uid }: Pick<PasswdEntry, "name" | "uid">) {
  const pids = pidsIn(proc);
  const named = pids.filter((pid) => isTitleFor(name, titleOf(proc, pid)));
  if (named.length === 0) return [];
  const parents = new Map<number, boolean>();
  for (const pid of pids) {
    const parent = parentOf(proc, pid);
    const isOfUser = named.includes(parent) && uidsOf(proc, pid).has(String(uid));
    parents.set(parent, isOfUser || parents.get(parent) === true);
  }
  return named.flatMap((pid) => (parents.get(pid) === true ? [] : [{ pid, hasChild: parents.has(pid) }]));
}

/** Ends a process, if it is sshd of root for this user: what has the descriptor gets the signal, and none that has its pid by then. */
function endOne(proc: number, pid: number, name: ByteString): boolean {
  const directory = openIfPresent(proc, String(pid), O_RDONLY | O_DIRECTORY);
  if (directory === undefined) return false;
  return withFd(directory, (fd) => {
    const uids = uidsOf(fd, ".");
    const isRoots = uids.size === 1 && uids.has("0");
    if (!isRoots || !isTitleFor(name, titleOf(fd, ".")) || !PROGRAM.test(programOf(fd))) return false;
    return sendSignal(fd, SIGKILL);
  });
}

/** The first word of what a process has been called; "" if it has ended, or if that is too long for a title. */
const titleOf = (proc: number, pid: number | ByteString): ByteString =>
  unlessGone(() => readOf(proc, pid, "cmdline").replace(/\0.*$/s, ""));

/** Of one whose program was replaced, as by an upgrade, the kernel says so behind the path. */
const programOf = (process: number): ByteString =>
  unlessGone(() => readLink(process, "exe").replace(/ \(deleted\)$/, ""));

/** Where root may not look at a process, as in some containers, nothing is known of it. */
function unlessGone(read: () => ByteString): ByteString {
  try {
    return read();
  } catch (error) {
    if (isErrno(error, "ESRCH", "ENOENT", "EFBIG", "EACCES", "EPERM")) return "";
    throw error;
  }
}
