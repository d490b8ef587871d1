import type { ByteString } from "../../ffi/bytes.ts";
import { EACCES, EPERM } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { withFileIds } from "../../ffi/file-ids.ts";
import { withFd } from "../../ffi/files.ts";
import { errno } from "../../ffi/libc.ts";
import { quoted } from "../cli/display.ts";
import { describeError, isReported } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { operands } from "../cli/shell-word.ts";
import { readProcLink, withoutDeleted } from "../processes/roots.ts";
import { identify, ownerOf, ownRoot, type RootIdentity, sameDirectory } from "../processes/scan.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { localUsers } from "../system/flat-accounts.ts";
import { lookingAt } from "../system/looking-at.ts";
import { pidsIn } from "../system/pids.ts";
import { examineThreads, identityOf, openProc, readOf, uidsOf } from "../system/processes.ts";
import { jailOfHome, splitHome } from "../system/separator.ts";
import { startTime } from "../system/sshd/running.ts";

// What su(1), cron(8) or sshd(8) has started becomes a program of the jail, or ends, within less: in milliseconds.
const PAUSE = 50;
// Each takes some words.
const MOST_NAMED = 5;

/** A user in a jail with processes outside of it. */
export interface Outside extends Pick<PasswdEntry, "name" | "uid"> {
  readonly pids: readonly number[];
  /** What is wrong, printable. */
  readonly message: string;
  readonly remedy: Remedy;
}

/** What was found, and why there may be more of them, printable; undefined if there are none. */
export interface OutsideProcesses {
  readonly found: readonly Outside[];
  readonly more: string | undefined;
}

/**
 * The users whom /etc/passwd has in a jail, by uid. One that another account has too, which is in no jail, is not certain to be
 * theirs.
 */
function usersInJails(names: ReadonlySet<ByteString> | undefined): Map<string, PasswdEntry> {
  const found = new Map<string, PasswdEntry>();
  const free = new Set(["0"]);
  for (const user of localUsers()) {
    const uid = String(user.uid);
    if (splitHome(user.home) === undefined) free.add(uid);
    else if (names?.has(user.name) !== false) found.getOrInsert(uid, user);
  }
  for (const uid of free) found.delete(uid);
  return found;
}

/** Programs of root that run as a user by themselves: each process is a copy of the one that has become the user's. */
const SERVERS = [/\/(?:sshd|sshd-session)$/, /\/(?:systemd|systemd-executor)$/];
/** What enters a jail, and has not yet. */
const DOORS = /\/(?:jk_chrootsh|jk_procmailwrapper|jk_uchroot)$/;

/** The user and the group of a process; undefined if it has several, or has ended. */
function onlyIdsOf(proc: number, pid: number): { uid: number; gid: number } | undefined {
  const ids = readOf(proc, pid, "status").matchAll(/^[UG]id:\t(\d+)\t(\d+)\t(\d+)/gm);
  const [uid, gid, ...others] = [...ids].flatMap(([, ...all]) => [...new Set(all.map(Number))]);
  return uid === undefined || gid === undefined || others.length > 0 ? undefined : { uid, gid };
}

/** Looks at processes of an open /proc. */
class Look {
  readonly #own: RootIdentity = ownRoot();
  readonly #hidden = new Set<number>();

  constructor(private readonly proc: number) {}

  /** The number of those at whose root this process may not look. */
  get hidden(): number {
    return this.#hidden.size;
  }

  /** Whether a process has the root directory of the host in a thread, and no program of root acts there for the user. */
  isOutside(pid: number): boolean {
    const asRoot = this.#examine(pid);
    if (asRoot !== "hidden") return asRoot === "outside";
    const ids = onlyIdsOf(this.proc, pid);
    const asUser = (ids && withFileIds(ids.uid, ids.gid, () => this.#examine(pid))) ?? "hidden";
    if (asUser === "hidden" && !this.#isOfRoot(pid)) this.#hidden.add(pid);
    return asUser === "outside";
  }

  #examine(pid: number): "outside" | "elsewhere" | "hidden" {
    const { proc } = this;
    let [isHere, isHidden] = [false, false];
    examineThreads(proc, pid, (thread) => {
      const root = identify(proc, `${thread}/root`);
      const isRefused = root === undefined && [EACCES, EPERM].includes(errno());
      // The file system of the directory may refuse to say what it is, and then it is another one.
      if (isRefused && readProcLink(proc, `${thread}/root`) === undefined) isHidden = true;
      if (root !== undefined && sameDirectory(root, this.#own)) isHere = true;
      return root !== undefined || isRefused;
    });
    if (isHere) return this.#isOfRoot(pid) ? "elsewhere" : "outside";
    return isHidden ? "hidden" : "elsewhere";
  }

  /**
   * Whether a process runs a program of root for a user: the part of sshd that serves a connection, or the user's systemd
   * manager. `levels`: of processes above it, of which one has to be root's.
   */
  #isOfRoot(pid: number, levels = 2): boolean {
    const owner = ownerOf(this.proc, `${pid}/exe`);
    const program = this.#programOf(pid);
    if (owner === 0 && DOORS.test(program)) return true;
    const kind = SERVERS.find((one) => one.test(program));
    // The server in sshd itself is in no jail.
    if (kind === undefined || (owner ?? 0) !== 0 || levels === 0 || this.#isSftp(pid)) return false;
    const parent = identityOf(this.proc, pid)?.parent ?? 0;
    if (!kind.test(this.#programOf(parent))) return false;
    return identityOf(this.proc, parent)?.realUid === 0 || this.#isOfRoot(parent, levels - 1);
  }

  readonly #nameOf = (pid: number) => identityOf(this.proc, pid)?.name ?? "";
  readonly #isSftp = (pid: number) =>
    /@internal-sftp\0*$/.test(attempt(() => readOf(this.proc, pid, "cmdline")) ?? "");

  /** The path of a program, or where that is hidden its name. */
  readonly #programOf = (pid: number) =>
    withoutDeleted(readProcLink(this.proc, `${pid}/exe`) ?? `/${this.#nameOf(pid)}`);

  /** A process for a message. */
  shown(pid: number): string {
    const start = startTime(pid);
    const time = start && new Date(Number(start / 1_000_000n)).toISOString();
    return `${pid} (${quoted(this.#nameOf(pid))}${time ? `, since ${time.replace(/\.\d+/, "")}` : ""})`;
  }
}

/** True for the ids of a process whose real user is root: a server that acts for a user may have the other ids of that one. */
const isRoots = ([real]: ReadonlySet<string>) => real === "0";

/**
 * The processes with a uid of users whom /etc/passwd has in a jail, whose root directory is that of the host: they are not
 * confined. Those of root's servers that act for the user, as sshd does for each session, do not count. Looks at each process
 * once, at those that it finds once more, and at none if nobody is in a jail. `names`: only of these users.
 */
export function outsideProcesses(names?: ReadonlySet<ByteString>): OutsideProcesses {
  try {
    const users = usersInJails(names);
    if (users.size === 0) return { found: [], more: undefined };
    return withFd(openProc(), (proc) => look(proc, users));
  } catch (error) {
    if (!isReported(error)) throw error;
    return { found: [], more: describeError(error) };
  }
}

function look(proc: number, users: ReadonlyMap<string, PasswdEntry>): OutsideProcesses {
  const seen = new Look(proc);
  const ownerOfAny = (pid: number) => {
    const uids = uidsOf(proc, pid);
    return isRoots(uids) ? undefined : uids.values().find((uid) => users.has(uid));
  };
  const outside = (pid: number) => {
    const uid = ownerOfAny(pid);
    return uid !== undefined && lookingAt(pid, () => seen.isOutside(pid)) ? uid : undefined;
  };
  const first = pidsIn(proc).filter((pid) => outside(pid) !== undefined);
  if (first.length > 0) Bun.sleepSync(PAUSE);
  const byUid = Map.groupBy(first, outside);
  const found = [...users].flatMap(([uid, user]) => {
    const pids = byUid.get(uid) ?? [];
    return pids.length === 0 ? [] : [outsideOf(user, pids, seen)];
  });
  const { hidden } = seen;
  const more = `root lacks CAP_SYS_PTRACE here, and cannot see the root directories of all processes of users in jails (${hidden})`;
  return { found, more: hidden === 0 ? undefined : more };
}

function outsideOf({ name, uid, home }: PasswdEntry, pids: readonly number[], seen: Look): Outside {
  const shown = pids.slice(0, MOST_NAMED).map((pid) => seen.shown(pid));
  const others = pids.length > MOST_NAMED ? [`${pids.length - MOST_NAMED} more`] : [];
  const jail = quoted(jailOfHome(home) ?? "");
  return {
    ...{ name, uid, pids },
    message: `processes of ${quoted(name)} are outside of the jail ${jail}, in the root directory of the host: ${[...shown, ...others].join(", ")}`,
    remedy: `jailkit terminate-user ${operands(name)}`,
  };
}
