import type { ByteString } from "../../ffi/bytes.ts";
import { cString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { signalSet } from "../../ffi/events.ts";
import { close, openAt } from "../../ffi/files.ts";
import { isGuarded } from "../../ffi/guard.ts";
import { addressOf, libc } from "../../ffi/libc.ts";
import { openPair, SOCK_SEQPACKET } from "../../ffi/sockets.ts";
import { spawn } from "../../ffi/spawn.ts";
import { JailkitError } from "../cli/error.ts";

/** First arguments by which this program starts itself; nobody else has a use for them. */
export const RELAY_ROLE = "--relay-process";
export const DETACHED_ROLE = "--detached-process";

const NAME = "jk_socketd";
const PR_SET_NAME = 15;

const SIGHUP = 1;
const SIGINT = 2;
const SIGQUIT = 3;
const SIGUSR1 = 10;
const SIGTERM = 15;
const SIGCHLD = 17;

/** What the monitor waits for; the relay does without signals: it ends when the monitor does. */
export const SIGNALS = { hangUp: SIGHUP, interrupt: SIGINT, terminate: SIGTERM, child: SIGCHLD } as const;
export const MONITOR_SIGNALS = signalSet([SIGHUP, SIGINT, SIGTERM, SIGCHLD]);
const RELAY_SIGNALS = signalSet([SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGTERM]);

/** A process that was started, and the socket that it is talked to through. */
export interface Half {
  pid: number;
  control: number;
}

/** After /proc/self/exe was executed the process is called "exe"; ps(1) and killall(1) look for the name. */
export function takeName(): void {
  const name = cString(NAME);
  libc.prctl(PR_SET_NAME, addressOf(name), 0, 0, 0);
}

function startSelf(
  words: readonly ByteString[],
  env: readonly ByteString[],
  blocked: bigint,
  newSession: boolean,
  standard: number | undefined,
): Half {
  if (!isGuarded()) {
    throw new JailkitError(
      "not-compiled",
      1,
      "jk_socketd has two processes: build it, and start dist/bin/jk_socketd",
    );
  }
  const [ours, theirs] = openPair(SOCK_SEQPACKET);
  try {
    const descriptors: [number, number][] = [[theirs, 3]];
    if (standard !== undefined) for (const fd of [0, 1, 2]) descriptors.push([standard, fd]);
    // Not by its name: a new version may have been installed meanwhile, and the halves must agree.
    const pid = spawn("/proc/self/exe", [NAME, ...words], { env, descriptors, blocked, newSession });
    return { pid, control: ours };
  } catch (error) {
    close(ours);
    throw error;
  } finally {
    close(theirs);
  }
}

/** Starts the relay: nothing of the caller's is handed to it. */
export function startRelay(): Half {
  const nothing = openAt(C.AT_FDCWD, "/dev/null", C.O_RDWR);
  try {
    return startSelf([RELAY_ROLE], [], RELAY_SIGNALS, false, nothing);
  } finally {
    close(nothing);
  }
}

/** Starts this program with the same options in a session of its own. */
export function startDetached(words: readonly ByteString[], env: readonly ByteString[]): Half {
  return startSelf([DETACHED_ROLE, ...words], env, MONITOR_SIGNALS, true, undefined);
}
