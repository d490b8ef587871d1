import type { ByteString } from "../../../ffi/bytes.ts";
import { O_DIRECTORY, O_RDONLY, SIGCONT, SIGKILL, SIGSTOP } from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { openIfPresent, withFd } from "../../../ffi/files.ts";
import { sendSignal } from "../../../ffi/process.ts";
import { answered } from "../../cli/error.ts";
import type { PasswdEntry } from "../accounts.ts";
import { lookingAt } from "../looking-at.ts";
import { hostUser } from "../name-services.ts";
import { pidsIn } from "../pids.ts";
import {
  childrenIn,
  hasStopped,
  type Identity,
  identityOf,
  openProc,
  parentOf,
  readOf,
  sharesRoot,
} from "../processes.ts";

// sshd looks the home, the shell and the groups up when a client sends the name, and begins the session with these when the proof
// has come, which may be minutes later.

// As programs call themselves. Nobody else can give root's processes such a name and title. Where the program is, root may not
// always know: a process that has read a user's file of keys is closed to one without CAP_SYS_PTRACE, as in most containers.
const PROGRAMS: ReadonlySet<ByteString> = new Set(["sshd", "sshd-session"]);
const SEPARATION_USER = "sshd";

/**
 * The names that the account may have which sshd's process of root for a connection serves, by what it calls itself
 * (setproctitle(3)): the only one, or one of two; none if it may have looked for one, and does not say so yet; undefined for what serves
 * no connection, or has not looked for an account yet. Pure.
 */
export function namesInTitle(title: ByteString): readonly ByteString[] | undefined {
  const [, written, isSure] = /^sshd(?:-session)?: (.*?)( \[priv\])?$/s.exec(title) ?? [];
  // The path of a server.
  if (written === undefined || written.startsWith("/")) return undefined;
  if (/^\[[^\]]*\]$/.test(written)) return [];
  // As strvis(3) writes what is not printable.
  const name = written.replace(/\\(?:(\\)|([0-7]{3}))/g, (_, slash, octal) =>
    slash === undefined ? String.fromCharCode(Number.parseInt(octal, 8)) : slash,
  );
  // A session of root: root@pts/0. A long title is cut off.
  return isSure === undefined ? [name.replace(/@[^@]*$/, ""), name] : [name];
}

/** Whose a connection is: of the account, of another one, or not known, perhaps not even to sshd. */
type Owner = "ours" | "another's" | "unclear";

/** Of the titles of processes; undefined for what is no connection. Each name is looked up once. */
function ownerBy({ name, uid }: Account): (title: ByteString) => Owner | undefined {
  const known = new Map<ByteString, Owner>();
  return (title) => {
    const names = namesInTitle(title);
    if (names === undefined) return undefined;
    if (name !== "" && names.includes(name)) return "ours";
    return known.getOrInsertComputed(title, () => {
      // An account may have several names, and a name service may not answer.
      const uids = names.map((one) => answered(() => hostUser(one)?.uid));
      if (uids.includes(uid)) return "ours";
      // No other session is a process of root, so another title is cut off.
      return (names.length === 1 ? uids[0] !== undefined : uids.includes(0)) ? "another's" : "unclear";
    });
  };
}

/** `name`: "" for a uid that no account has. */
type Account = Pick<PasswdEntry, "name" | "uid">;

/** Processes for connections without a session, by what is known of their user. */
interface Waiting {
  /** They name the account, by whatever name. */
  readonly named: readonly number[];
  /** They may be for it: no name is known, or one that no account has. */
  readonly unclear: readonly number[];
}

/** Those of root that are sshd's for a connection of this machine, and have no session yet. */
function withoutSession(proc: number): ReadonlyMap<number, ByteString> {
  const found = new Map<number, Identity & { readonly title: ByteString }>();
  for (const pid of pidsIn(proc)) {
    const identity = identityOf(proc, pid);
    if (identity !== undefined && PROGRAMS.has(identity.name))
      found.set(pid, { ...identity, title: lookingAt(pid, () => titleOf(proc, pid)) });
  }
  if (found.size === 0) return new Map();
  const separation = answered(() => hostUser(SEPARATION_USER))?.uid;
  const withSession = new Set<number>();
  // Others with an id of their own end with "[net]" or the like, or, if they look for keys, with "[priv]".
  for (const { realUid, parent, title } of found.values())
    if (realUid !== 0 && realUid !== separation && !title.endsWith("]")) withSession.add(parent);
  const isConnection = (pid: number) => namesInTitle(found.get(pid)?.title ?? "") !== undefined;
  const waiting = new Map<number, ByteString>();
  const own = identityOf(proc, "self");
  for (const [pid, { realUid, parent, title, depth }] of found) {
    if (realUid !== 0 || !isConnection(pid) || isConnection(parent) || withSession.has(pid)) continue;
    // The accounts of a container are others. It also has a pid namespace of its own, as a rule.
    const isHere = sharesRoot(proc, pid) ?? (own === undefined || own.depth === depth);
    if (isHere) waiting.set(pid, title);
  }
  return waiting;
}

/** The connections to sshd(8) that endUnauthenticated would end. Throws JailkitError "no-proc", SystemError. */
export function unauthenticated(account: Account): Waiting {
  return withFd(openProc(), (proc) => waitingFor(proc, ownerBy(account)));
}

function waitingFor(proc: number, ownerOf: (title: ByteString) => Owner | undefined): Waiting {
  const all = [...withoutSession(proc)].map(([pid, title]) => ({ pid, owner: ownerOf(title) }));
  const pidsOf = (wanted: Owner) => all.filter(({ owner }) => owner === wanted).map(({ pid }) => pid);
  return { named: pidsOf("ours"), unclear: pidsOf("unclear") };
}

// What has got a signal needs a moment: it is looked for so often, a millisecond apart.
const MOST_PASSES = 250;
const MOST_LOOKS = 5;

/**
 * Ends the connections to sshd(8) that would begin a session with the home, the shell or the groups which an account had: that have
 * named it, or may have, and are not authenticated yet, or have no session yet. So one of somebody else that has not named anybody
 * ends, too: sshd may have looked the account up already. Sessions go on. One that closes a session of before looks the same, and
 * ends: to wait for it would let one that begins run something. `stopping` gets processes before they are stopped, of which some may
 * turn out to be for others, and go on. Throws JailkitError "no-proc", SystemError.
 */
export function endUnauthenticated(
  account: Account,
  stopping: (pids: readonly number[]) => void = () => undefined,
): Waiting {
  const ownerOf = ownerBy(account);
  return withFd(openProc(), (proc) => {
    const named = new Set<number>();
    const unclear = new Set<number>();
    for (let look = 0; look < MOST_LOOKS; look++) {
      const now = waitingFor(proc, ownerOf);
      // Those that come meanwhile look up what is there now, and would never be all.
      const pids = look === 0 ? [...now.named, ...now.unclear] : now.named.filter((pid) => !named.has(pid));
      if (pids.length > 0) stopping(pids);
      const ended = endWithChildren(proc, pids, ownerOf);
      if (ended.length === 0) break;
      for (const pid of ended) (now.named.includes(pid) ? named : unclear).add(pid);
    }
    return { named: [...named], unclear: [...unclear] };
  });
}

const isSshd = (process: number): boolean => {
  const { name = "", realUid } = identityOf(process, ".") ?? {};
  return realUid === 0 && PROGRAMS.has(name);
};

/** Lets sshd's processes go on which a run that was killed has stopped: those for others than the account whose connections end. */
export function continueStopped(pids: readonly number[]): void {
  withFd(openProc(), (proc) => {
    for (const pid of pids)
      withProcess(proc, pid, (fd) => isSshd(fd) && hasStopped(fd) && sendSignal(fd, SIGCONT));
  });
}

/** Ends processes with their children: one may be about to become the session. Returns which it has ended, without the children. */
function endWithChildren(
  proc: number,
  pids: readonly number[],
  ownerOf: (title: ByteString) => Owner | undefined,
): readonly number[] {
  const mayBeOurs = (fd: number) => {
    const owner = isSshd(fd) ? ownerOf(titleOf(fd, ".")) : undefined;
    return owner !== undefined && owner !== "another's";
  };
  const send = (pid: number, signal: number) =>
    withProcess(proc, pid, (fd) => mayBeOurs(fd) && sendSignal(fd, signal));
  // So that they start no more.
  const stopped = pids.filter((pid) => send(pid, SIGSTOP));
  let ended: readonly number[] = [];
  try {
    for (let pass = 0; stopped.length > 0 && pass < MOST_PASSES; pass++) {
      const isDone = stopped.every((pid) => withProcess(proc, pid, hasStopped));
      const all = childrenIn(proc);
      // One that has named somebody else meanwhile keeps its session.
      const left = stopped.filter((pid) => all.has(pid) && withProcess(proc, pid, mayBeOurs));
      for (const pid of left)
        for (const child of all.get(pid) ?? [])
          withProcess(proc, child, (fd) => parentOf(fd) === pid && sendSignal(fd, SIGKILL));
      if (isDone && left.length === 0) break;
      Bun.sleepSync(1);
    }
    ended = stopped.filter((pid) => send(pid, SIGKILL));
  } finally {
    for (const pid of stopped)
      if (!ended.includes(pid)) withProcess(proc, pid, (fd) => isSshd(fd) && sendSignal(fd, SIGCONT));
  }
  return ended;
}

/** Calls `use` with the directory of a process; false if it has ended. What is done there is done to no other one with its pid. */
function withProcess(proc: number, pid: number, use: (fd: number) => boolean): boolean {
  const directory = openIfPresent(proc, String(pid), O_RDONLY | O_DIRECTORY);
  return directory === undefined ? false : withFd(directory, use);
}

/** The first word of what a process has been called; "" if it has ended, or if that is too long for a title. */
function titleOf(proc: number, pid: number | ByteString): ByteString {
  try {
    return readOf(proc, pid, "cmdline").replace(/\0.*$/s, "");
  } catch (error) {
    if (isErrno(error, "EFBIG")) return "";
    throw error;
  }
}
