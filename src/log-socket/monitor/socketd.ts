import { type ByteString, fromBytes, toBytes } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import { close, openAt, readAllFd, statIfPresent } from "../../../ffi/files.ts";
import { environment, standardError } from "../../../ffi/guard.ts";
import { libc } from "../../../ffi/libc.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { chdir } from "../../../ffi/process.ts";
import { receivePacket, sendPacket } from "../../../ffi/sockets.ts";
import { waitFor } from "../../../ffi/spawn.ts";
import { display } from "../../cli/display.ts";
import { answered, describeError, type ErrorPlace, JailkitError } from "../../cli/error.ts";
import { excerptLines } from "../../cli/excerpt.ts";
import { printError, printLine } from "../../cli/output.ts";
import { VERSION } from "../../cli/version.ts";
import { type Found, lookUp, withJailFile, withTree } from "../../jail/fs/look.ts";
import { requirePidfilePlace } from "../../jail/fs/pidfile.ts";
import { putFile, removePath } from "../../jail/fs/write.ts";
import { CONTROL } from "../protocol.ts";
import { setProcessName, startDetached } from "../roles.ts";
import { relayAccount } from "./account.ts";
import { connectHost, HOST_SOCKET, OwnLog } from "./host.ts";
import { Monitor } from "./monitor.ts";
import { activatedSockets, notify } from "./notify.ts";
import {
  requireSafeConfiguration,
  type SocketOptions,
  socketOfOptions,
  socketsOfConfiguration,
  type WantedSockets,
} from "./settings.ts";
import { askStatus, type SocketStatus } from "./status.ts";

// Milliseconds.
const PAUSE = 50;
const ATTEMPTS = 40;

interface SocketdOptions {
  /** Stay in the foreground, and print log lines on standard output. */
  foreground: boolean;
  /** This is the background process; its parent waits until it serves. */
  detached: boolean;
  /** An absolute path. */
  pidfile: ByteString | undefined;
  /** The only socket, instead of those of the configuration. */
  socket: SocketOptions | undefined;
  /** The account for the relay; undefined: its own. */
  user: ByteString | undefined;
}

/**
 * Starts the background process with `words` as its arguments, and waits until it serves. Returns 0, or the exit status
 * of a process that failed.
 */
export function detach(words: readonly ByteString[]): number {
  const { pid, control } = startDetached(words, environment());
  const packet = receivePacket(control, new Uint8Array(1));
  return packet !== undefined && packet.length > 0 ? 0 : (waitFor(pid) ?? 1);
}

/** Redirects standard input, output and error to /dev/null, so that nobody waits for their end. */
function closeStandard(): void {
  const devNull = openAt(C.AT_FDCWD, "/dev/null", C.O_RDWR);
  for (const fd of [0, 1, 2, standardError]) libc.dup3(devNull, fd, fd > 2 ? C.O_CLOEXEC : 0);
  close(devNull);
}

/** Runs jk_socketd until a signal ends it. Returns the exit status. Throws JailkitError, SystemError. */
export function runSocketd(options: SocketdOptions): number {
  setProcessName();
  const log = new OwnLog();
  const show = (text: ByteString) => {
    // A disk that is full must not end the log of all jails.
    if (options.foreground) answered(() => printLine(text));
  };
  /** Ends as jailkit 2.23 does: with a line in the log, and on standard output or standard error. */
  const stop = (status: number, text: ByteString, place?: ErrorPlace): number => {
    log.write(status === 1 ? "err" : "crit", `version ${VERSION}, ${text}`);
    if (options.foreground) printLine(`version ${VERSION}, ${text}`);
    else printError([`jk_socketd: ${text}`, ...(place === undefined ? [] : excerptLines(place))].join("\n"));
    return status;
  };

  try {
    close(connectHost().fd);
  } catch (error) {
    const reason = error instanceof SystemError ? error.reason : describeError(error);
    return stop(1, `while connecting to ${HOST_SOCKET}: ${reason}`);
  }
  show(`opened ${HOST_SOCKET}`);

  const account = relayAccount(options.user);
  if (account === undefined) {
    return stop(1, `cannot get UID and GID for user ${display(options.user ?? "nobody")}`);
  }
  if (account.warning !== undefined) {
    log.write("warning", `version ${VERSION}, ${account.warning}`);
    printError(`jk_socketd: warning: ${account.warning}`);
  }
  const read = () =>
    options.socket === undefined ? socketsOfConfiguration() : socketOfOptions(options.socket);
  let monitor: Monitor;
  try {
    requireUnserved(read());
    monitor = new Monitor({
      account,
      mirror: options.foreground,
      read,
      configured: options.socket === undefined,
      activated: activatedSockets(),
      log,
      show,
    });
  } catch (error) {
    if (!(error instanceof JailkitError)) throw error;
    return stop(error.exitStatus, error.message, error.place);
  }
  try {
    if (monitor.count === 0) {
      // For sockets of a file, the log has the reasons.
      if (options.socket !== undefined) printReasons(options.socket.path, monitor.complaints);
      return stop(
        1,
        "no valid sockets specified in configfile /etc/jailkit/jk_socketd.ini or on commandline, nothing to do, exiting...",
      );
    }
    requireSafeConfiguration();
    serve(monitor, options, log);
    return 0;
  } catch (error) {
    log.write("err", describeError(error));
    throw error;
  } finally {
    monitor.close();
  }
}

/** Throws JailkitError if another jk_socketd serves one of the sockets: each would replace the other's, again and again. */
function requireUnserved({ sockets }: WantedSockets): void {
  const paths = new Set(sockets.map(({ path }) => path));
  const isOurs = ({ settings, listening }: SocketStatus) => listening && paths.has(settings.path);
  // One that was told to end may need a moment.
  for (let left = ATTEMPTS; ; left--) {
    const other = answered(askStatus)?.find(isOurs);
    if (other === undefined) return;
    if (left === 0) {
      const message = `${display(other.settings.path)}: another jk_socketd serves it, process ${other.pid}: end that one first`;
      throw new JailkitError("served", 1, message);
    }
    Bun.sleepSync(PAUSE);
  }
}

function printReasons(path: ByteString, complaints: readonly ByteString[]): void {
  const directory = directoryOf(path);
  const missing = path.startsWith("/") && statIfPresent(C.AT_FDCWD, directory) === undefined;
  const hint = missing ? `; there is no directory ${display(directory)}` : "";
  for (const reason of complaints) printError(`jk_socketd: ${reason}${hint}`);
}

/**
 * Writes the pid of this process, in decimal and without a newline. Follows no symbolic link in a directory that users
 * can write. Throws SystemError, JailkitError.
 */
function writePidfile(path: ByteString): void {
  const bytes = toBytes(String(libc.getpid()));
  withTree((tree) => {
    requirePidfilePlace(path, lookUp(tree, path)?.stat);
    putFile(tree, path, bytes, { mode: 0o644, uid: 0, gid: 0 }, { replace: true });
  });
}

/** Removes the pidfile if it still has the pid of this process. Throws SystemError, JailkitError. */
function removePidfile(path: ByteString): void {
  withTree((tree) => {
    const read = (fd: number, { stat }: Found) => ({ text: fromBytes(readAllFd(fd, 64)), stat });
    const found = withJailFile(tree, path, read, { follow: false });
    if (found?.text === String(libc.getpid())) removePath(tree, path, found.stat);
  });
}

function serve(monitor: Monitor, options: SocketdOptions, log: OwnLog): void {
  const { pidfile } = options;
  monitor.start();
  if (pidfile !== undefined) {
    try {
      writePidfile(pidfile);
    } catch (error) {
      log.write("notice", `failed to write pidfile: ${describeError(error)}`);
    }
  }
  chdir("/");
  if (options.detached) {
    closeStandard();
    sendPacket(CONTROL, new Uint8Array(1));
    close(CONTROL);
    notify(`MAINPID=${libc.getpid()}\nREADY=1`);
  } else notify("READY=1");
  try {
    monitor.run();
    notify("STOPPING=1");
  } finally {
    try {
      if (pidfile !== undefined) removePidfile(pidfile);
    } catch {
      // It is missing, or another process's now.
    }
  }
}
