import { type ByteString, cString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { signalSet } from "../../ffi/events.ts";
import { close, openAt, withFd } from "../../ffi/files.ts";
import { isGuarded } from "../../ffi/guard.ts";
import { addressOf, libc } from "../../ffi/libc.ts";
import { openPair, SOCK_SEQPACKET } from "../../ffi/sockets.ts";
import { spawn } from "../../ffi/spawn.ts";
import { JailkitError } from "../cli/error.ts";
import { CONTROL } from "./protocol.ts";

/** First arguments with which this program starts itself; internal. */
export const RELAY_ROLE = "--relay-process";
export const DETACHED_ROLE = "--detached-process";

const NAME = "jk_socketd";
/** What the monitor waits for. The relay handles no signals: it ends when the monitor does. */
export const MONITOR_SIGNALS = signalSet([C.SIGHUP, C.SIGINT, C.SIGTERM, C.SIGCHLD]);
const RELAY_SIGNALS = signalSet([C.SIGHUP, C.SIGINT, C.SIGQUIT, C.SIGUSR1, C.SIGTERM]);

/** A started process, and the socket to talk to it. */
export interface StartedProcess {
  pid: number;
  control: number;
}

/** Names the process, which is called "exe" after it executed /proc/self/exe, for ps(1) and killall(1). */
export function setProcessName(): void {
  const name = cString(NAME);
  // SAFETY: the kernel copies up to 16 bytes, or to the NUL that cString appends.
  libc.prctl(C.PR_SET_NAME, addressOf(name), 0, 0, 0);
}

/** Starts this program. `standard`: its standard input, output and error; by default those of this process. */
function startSelf(
  words: readonly ByteString[],
  options: Omit<Parameters<typeof spawn>[2], "descriptors">,
  standard?: number,
): StartedProcess {
  if (!isGuarded()) {
    throw new JailkitError(
      "not-compiled",
      1,
      "jk_socketd has two processes: build it, and start dist/bin/jk_socketd",
    );
  }
  const [ours, theirs] = openPair(SOCK_SEQPACKET);
  try {
    const descriptors: [number, number][] = [[theirs, CONTROL]];
    if (standard !== undefined) for (const fd of [0, 1, 2]) descriptors.push([standard, fd]);
    // Not by its name: a new version may have been installed in the meantime, and both processes must agree.
    const pid = spawn("/proc/self/exe", [NAME, ...words], { ...options, descriptors });
    return { pid, control: ours };
  } catch (error) {
    close(ours);
    throw error;
  } finally {
    close(theirs);
  }
}

/** Starts the relay, without anything of the caller's. */
export function startRelay(): StartedProcess {
  const options = { env: [], blocked: RELAY_SIGNALS, newSession: false };
  const devNull = openAt(C.AT_FDCWD, "/dev/null", C.O_RDWR);
  return withFd(devNull, () => startSelf([RELAY_ROLE], options, devNull));
}

/** Starts this program with the same options in its own session. */
export function startDetached(words: readonly ByteString[], env: readonly ByteString[]): StartedProcess {
  return startSelf([DETACHED_ROLE, ...words], { env, blocked: MONITOR_SIGNALS, newSession: true });
}
