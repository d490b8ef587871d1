import { type ByteString, toBytes } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { close, openAt, type Stat, statIfPresent } from "../../../ffi/files.ts";
import { holdsSignals } from "../../../ffi/interrupts.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { stopIfInterrupted } from "../../cli/interrupt.ts";
import { BUSY } from "../../cli/options.ts";
import { printNotice } from "../../cli/output.ts";
import { withKeptLock } from "../../system/account-lock.ts";
import { lockName, releaseName } from "../fs/lock.ts";
import { withTree } from "../fs/look.ts";
import { withDirectory } from "../fs/walk.ts";
import { requireWritableAccounts } from "../fs/writable.ts";
import { makeOwnDirectory } from "./registry.ts";

// One tool at a time changes a jail. Whoever needs more than one lock takes them in this order, so that no two tools wait
// for each other: that of jailkit apply; that of the jail, for the whole run; those of usermod(8) and the like; that of the jail's account files
// (withAccountsLock); those of the registry (locked, hostLocked).
//
// A jail has two names: its path, which it has before it exists and after it was deleted, and its inode, which it keeps
// when it is moved, and has at each place where it is mounted. Both are locked, of several jails first all paths.

/** The locks of jails: a file for each that is held. Only root can open the directory, so no user can hold one. */
export const LOCKS = "/var/lib/jailkit/locks";

const PATIENCE = 1000;
const PAUSE = 20;

export interface LockOptions {
  /** The tool that works on the jail, for the messages of others. */
  readonly tool: string;
  /** Throw JailkitError "busy" instead of waiting. */
  readonly noWait: boolean;
  /** Print no message. */
  readonly json: boolean;
  /** Wait also after a signal: for a lock that is held for a moment, and is needed to undo a change. */
  readonly patient?: boolean;
  /** Others have it for a moment only: even with `noWait` it is waited for as long as that takes. */
  readonly brief?: boolean;
  /** How to find out what holds it. */
  readonly see?: string;
}

/** The lock of one or more jails; leaving the scope of a `using` unlocks them. */
export interface JailLock extends Disposable {
  /** Also locks the directory of a jail that was just created. */
  hold(stat: Stat): void;
}

/** What this process holds: one tool may call another's code. */
const mine = new Set<ByteString>();

/** The lock of whoever carries out declarations. */
export const DECLARATIONS = "declarations";
const ACCOUNTS = "the accounts";
/** Whoever took their lock may have ended, and a program that it started still have it, which no file names. */
const SEE = `; what has the lock: find /proc/[0-9]*/fd -lname ${LOCKS}/accounts`;
/** "PID NAME", as a lock file has it, for messages. */
export function holderText(holder: ByteString): string {
  const [pid, ...words] = holder.split(" ");
  return `${words.join(" ")} (pid ${pid})`;
}

/** How this process waits for other locks, and says so. */
let asked: Pick<LockOptions, "tool" | "json"> = { tool: "", json: true };

/** The lock of a jail by its path, which is normal. */
export const nameOfPath = (path: ByteString): ByteString =>
  `path-${new Bun.CryptoHasher("sha256").update(toBytes(path)).digest("hex").slice(0, 32)}`;
/** The same by its directory. */
export const nameOfInode = ({ devMajor, devMinor, ino }: Stat): ByteString =>
  `inode-${devMajor}-${devMinor}-${ino}`;

/**
 * Locks jails by their paths, which may not exist yet; waits for other tools, with a message after a second. Do this before
 * the jail is opened. Where nothing can be written, there is no lock: the caller reports that before its first change.
 * Throws JailkitError "busy", or "interrupted" if a signal was held back.
 */
export function lockJails(jails: readonly ByteString[], options: LockOptions): JailLock {
  asked = options;
  const held = new HeldLocks(openLocks(), jails.map(display).join(", "), options);
  try {
    const paths = jails.map(normalPath);
    held.take(paths.map(nameOfPath));
    const inodes = () => paths.flatMap((path) => statIfPresent(C.AT_FDCWD, path) ?? []).map(nameOfInode);
    for (let names = inodes(); ; ) {
      held.take(names);
      const now = inodes();
      if (now.every((name) => names.includes(name))) break;
      // It was replaced meanwhile. Inodes are locked together, in their order.
      held.release(names);
      names = now;
    }
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
  return held;
}

/** The same for one jail; undefined, without a lock, for a run that changes nothing. */
export function lockJail(
  jail: ByteString,
  { changes = true, ...options }: LockOptions & { changes?: boolean },
): JailLock | undefined {
  return changes ? lockJails([jail], options) : undefined;
}

/** A descriptor of the directory of locks; undefined if it cannot be written. */
function openLocks(): number | undefined {
  try {
    return withTree((tree) => {
      makeOwnDirectory(tree, LOCKS);
      return withDirectory(tree, LOCKS, ({ fd }) => openAt(fd, ".", C.O_RDONLY | C.O_DIRECTORY));
    });
  } catch (error) {
    if (isErrno(error, "EROFS", "ENOSPC", "EDQUOT")) return undefined;
    throw error;
  }
}

/**
 * Calls `use` while no other tool of ours changes accounts of the host. usermod(8) and the like have locks of their own, but
 * give up after some seconds. Throws SystemError EROFS where these would say that a lock is taken.
 */
export function withHostAccounts<T>(use: () => T): T {
  requireWritableAccounts();
  return afterAccountTools(use);
}

/** The same for what changes no account: also what a run that was killed has started does not change one meanwhile. */
export function afterAccountTools<T>(use: () => T): T {
  const { tool, json } = asked;
  using locks = new HeldLocks(openLocks(), ACCOUNTS, {
    ...{ tool, json, see: SEE },
    noWait: false,
    patient: true,
  });
  locks.take(["accounts"]);
  return withKeptLock(locks.descriptorOf("accounts"), use);
}

/** Lets one process at a time carry out declarations of jails; waits as lockJails does. Take it before all others. */
export function lockDeclarations(options: LockOptions): Disposable {
  asked = options;
  const held = new HeldLocks(openLocks(), "what is declared", options);
  try {
    held.take([DECLARATIONS]);
    // What a run that was killed has started may still be at work, and keeps this one.
    using accounts = new HeldLocks(openLocks(), ACCOUNTS, { ...options, brief: true, see: SEE });
    accounts.take(["accounts"]);
    return held;
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
}

class HeldLocks implements JailLock {
  readonly #held = new Map<ByteString, number>();
  readonly #since = Date.now();
  #told = false;

  constructor(
    /** Undefined if it cannot be written. */
    private readonly directory: number | undefined,
    private readonly jail: string,
    private readonly options: LockOptions,
  ) {}

  hold(stat: Stat): void {
    this.take([nameOfInode(stat)]);
  }

  /** Locks names that this process does not hold, in their order. */
  take(names: readonly ByteString[]): void {
    const { directory } = this;
    if (directory === undefined) return;
    const others = [...new Set(names)].filter((name) => !mine.has(name)).sort();
    for (const name of others) {
      try {
        const fd = lockName(directory, name, this.options.tool, (holder) => this.#wait(holder));
        this.#held.set(name, fd);
        mine.add(name);
      } catch (error) {
        if (!isErrno(error, "EROFS", "ENOSPC", "EDQUOT")) throw error;
      }
    }
  }

  /** The descriptor of a lock; undefined if this object does not hold it. */
  descriptorOf(name: ByteString): number | undefined {
    return this.#held.get(name);
  }

  /** Unlocks names that this object has locked. */
  release(names: readonly ByteString[]): void {
    for (const name of names) {
      const fd = this.#held.get(name);
      if (fd === undefined || this.directory === undefined) continue;
      releaseName(this.directory, name, fd);
      this.#held.delete(name);
      mine.delete(name);
    }
  }

  [Symbol.dispose](): void {
    this.release([...this.#held.keys()]);
    if (this.directory !== undefined) close(this.directory);
  }

  #wait(holder: ByteString | undefined): "again" | "block" {
    const who = holder === undefined ? "another tool" : holderText(holder);
    const { tool, noWait, json, patient = false, brief = false, see = "" } = this.options;
    const isLong = Date.now() - this.#since >= PATIENCE;
    if (noWait && (isLong || !brief))
      throw new JailkitError("busy", BUSY, `${who} is working on ${this.jail}; try again later${see}`);
    const mayStop = !patient && holdsSignals();
    const unchanged = brief ? "nothing was changed" : `${this.jail} is as it was`;
    if (mayStop) stopIfInterrupted(`${unchanged}; run this again`);
    if (!isLong) {
      Bun.sleepSync(PAUSE);
      return "again";
    }
    if (!json && !this.#told) printNotice(`${tool}: waiting for ${who} to finish with ${this.jail}${see}`);
    this.#told = true;
    // A signal that is held back does not end flock(2).
    if (!mayStop) return "block";
    Bun.sleepSync(PAUSE);
    return "again";
  }
}
