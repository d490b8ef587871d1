import type { ByteString } from "../../../ffi/bytes.ts";
import { O_DIRECTORY, O_RDONLY, SIGKILL, SIGSTOP } from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { openIfPresent, readLink, withFd } from "../../../ffi/files.ts";
import { sendSignal } from "../../../ffi/process.ts";
import { answered } from "../../cli/error.ts";
import { isLocalUser } from "../account-tools.ts";
import type { PasswdEntry } from "../accounts.ts";
import { hostUser } from "../name-services.ts";
import { childrenIn, hasStopped, openProc, parentOf, pidsIn, readOf, uidsOf } from "../processes.ts";

// sshd looks the home and the shell up when a client sends the name, and begins the session with these when the proof has come,
// which may be minutes later.

const PROGRAM = /\/(?:sshd|sshd-session)$/;

/** The user whom a client has named, by what sshd calls its process of root then (setproctitle(3)); undefined for others. Pure. */
export function userInTitle(title: ByteString): ByteString | undefined {
  const [, written] = /^sshd(?:-session)?: (.*) \[priv\]$/s.exec(title) ?? [];
  // As strvis(3) writes what is not printable.
  return written?.replace(/\\(?:(\\)|([0-7]{3}))/g, (_, slash, octal) =>
    slash === undefined ? String.fromCharCode(Number.parseInt(octal, 8)) : slash,
  );
}

/** Calls `use` with the directory of a process; false if it has ended. What is done there is done to no other one with its pid. */
function withProcess(proc: number, pid: number, use: (fd: number) => boolean): boolean {
  const directory = openIfPresent(proc, String(pid), O_RDONLY | O_DIRECTORY);
  return directory === undefined ? false : withFd(directory, use);
}

// What has got a signal needs a moment: it is looked for so often, a millisecond apart.
const MOST_PASSES = 250;

/**
 * Ends the connections to sshd(8) that have named this account, and are not authenticated yet, or have no session yet: that would
 * have the home and the shell which the account had. Sessions go on. One that closes a session of before looks the same, and ends,
 * too: to wait for it would let one that begins run something. Returns how many it has ended. Throws JailkitError "no-proc",
 * SystemError.
 */
export function endUnauthenticated({ name, uid }: Pick<PasswdEntry, "name" | "uid">): number {
  // A directory may have several names for an account.
  const hasOthers = !isLocalUser(name);
  const isTitle = (title: ByteString) => {
    const named = userInTitle(title);
    if (named === undefined) return false;
    return named === name || (hasOthers && answered(() => hostUser(named)?.uid) === uid);
  };
  return withFd(openProc(), (proc) => {
    const before = childrenIn(proc);
    const isOfUser = (pid: number) => uidsOf(proc, pid).has(String(uid));
    const isWaiting = (pid: number) => isTitle(titleOf(proc, pid)) && !before.get(pid)?.some(isOfUser);
    return endWithChildren(proc, pidsIn(proc).filter(isWaiting), isTitle);
  });
}

/**
 * Ends processes with their children, if they are sshd of root with such a title: a child may be about to become the session.
 * Returns how many it has ended, without the children.
 */
function endWithChildren(
  proc: number,
  pids: readonly number[],
  isTitle: (title: ByteString) => boolean,
): number {
  const send = (pid: number, signal: number) =>
    withProcess(proc, pid, (fd) => {
      const uids = uidsOf(fd, ".");
      const isRoots = uids.size === 1 && uids.has("0");
      return isRoots && isTitle(titleOf(fd, ".")) && PROGRAM.test(programOf(fd)) && sendSignal(fd, signal);
    });
  // So that they start no more.
  const stopped = pids.filter((pid) => send(pid, SIGSTOP));
  for (let pass = 0; stopped.length > 0 && pass < MOST_PASSES; pass++) {
    const isDone = stopped.every((pid) => withProcess(proc, pid, hasStopped));
    const all = childrenIn(proc);
    const left = stopped.filter((pid) => all.has(pid));
    for (const pid of left)
      for (const child of all.get(pid) ?? [])
        withProcess(proc, child, (fd) => parentOf(fd) === pid && sendSignal(fd, SIGKILL));
    if (isDone && left.length === 0) break;
    Bun.sleepSync(1);
  }
  return stopped.filter((pid) => send(pid, SIGKILL)).length;
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
