import type { ByteString } from "../../../ffi/bytes.ts";
import { O_DIRECTORY, O_RDONLY, SIGKILL, SIGSTOP } from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { openIfPresent, readLink, withFd } from "../../../ffi/files.ts";
import { sendSignal } from "../../../ffi/process.ts";
import { answered } from "../../cli/error.ts";
import type { PasswdEntry } from "../accounts.ts";
import { hostUser } from "../name-services.ts";
import { hasEnded, hasStopped, openProc, parentOf, pidsIn, readOf, uidsOf } from "../processes.ts";

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

type Account = Pick<PasswdEntry, "name" | "uid">;

/** Directories have several names for an account; one that has been removed has none any more. */
function isFor({ name, uid }: Account, title: ByteString): boolean {
  const named = userInTitle(title);
  if (named === undefined) return false;
  return named === name || answered(() => hostUser(named)?.uid) === uid;
}

// So often is something looked for that takes a moment, and so long is waited in between, in milliseconds.
const PAUSE = 20;
const MOST_PASSES = 250;

/**
 * Ends the connections to sshd(8) that have named this account, and are not authenticated yet, or have no session yet: that would
 * have the home and the shell which the account had. Sessions go on. Returns how many it has ended. Throws JailkitError "no-proc",
 * SystemError.
 */
export function endUnauthenticated(account: Account): number {
  return withFd(openProc(), (proc) => {
    let ended = 0;
    let left = waiting(proc, account);
    for (let pass = 0; left.length > 0; pass++) {
      if (pass > 0) Bun.sleepSync(PAUSE);
      // One that closes a session of before has no child any more, and ends by itself. One that begins a session gets one.
      const isDue = (pid: number) => pass === MOST_PASSES || childrenOf(proc, pid).length > 0;
      const due = left.filter(isDue);
      ended += due.filter((pid) => endOne(proc, pid, account)).length;
      left = left.filter((pid) => !due.includes(pid) && isFor(account, titleOf(proc, pid)));
    }
    return ended;
  });
}

/** The processes of root for connections of an account that have no session. */
function waiting(proc: number, account: Account): number[] {
  const pids = pidsIn(proc);
  const named = pids.filter((pid) => isFor(account, titleOf(proc, pid)));
  const isOfUser = (pid: number) => uidsOf(proc, pid).has(String(account.uid));
  return named.filter((pid) => !childrenOf(proc, pid, pids).some(isOfUser));
}

const childrenOf = (proc: number, pid: number, pids = pidsIn(proc)): number[] =>
  pids.filter((one) => parentOf(proc, one) === pid && !hasEnded(proc, one));

/**
 * Ends a process with its children, if it is sshd of root for this user: one of these may be about to become the session. What has
 * a descriptor gets the signal, and none that has its pid by then.
 */
function endOne(proc: number, pid: number, account: Account): boolean {
  return withProcess(proc, pid, (monitor) => {
    const uids = uidsOf(monitor, ".");
    const isRoots = uids.size === 1 && uids.has("0");
    if (!isRoots || !isFor(account, titleOf(monitor, ".")) || !PROGRAM.test(programOf(monitor))) return false;
    // So that it starts no more.
    if (!sendSignal(monitor, SIGSTOP)) return false;
    for (let pass = 0; pass < MOST_PASSES; pass++) {
      const isStopped = hasStopped(monitor);
      const children = childrenOf(proc, pid);
      for (const child of children)
        withProcess(proc, child, (fd) => parentOf(fd, ".") === pid && sendSignal(fd, SIGKILL));
      if (isStopped && children.length === 0) break;
      Bun.sleepSync(1);
    }
    return sendSignal(monitor, SIGKILL);
  });
}

/** Calls `use` with the directory of a process; false if it has ended. */
function withProcess(proc: number, pid: number, use: (fd: number) => boolean): boolean {
  const directory = openIfPresent(proc, String(pid), O_RDONLY | O_DIRECTORY);
  return directory === undefined ? false : withFd(directory, use);
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
