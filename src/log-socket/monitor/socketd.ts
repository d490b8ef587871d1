import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import { close, openAt, statIfPresent } from "../../../ffi/files.ts";
import { environment, standardError } from "../../../ffi/guard.ts";
import { libc } from "../../../ffi/libc.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { chdir } from "../../../ffi/process.ts";
import { receivePacket, sendPacket } from "../../../ffi/sockets.ts";
import { waitFor } from "../../../ffi/spawn.ts";
import { display } from "../../cli/display.ts";
import { describeError, type ErrorPlace, JailkitError } from "../../cli/error.ts";
import { excerptLines } from "../../cli/excerpt.ts";
import { printError, printLine } from "../../cli/output.ts";
import { requireRoot } from "../../cli/root.ts";
import { VERSION } from "../../cli/version.ts";
import { CONTROL } from "../protocol.ts";
import { startDetached, takeName } from "../roles.ts";
import { relayAccount } from "./account.ts";
import { connectHost, HOST_SOCKET, openOwnLog } from "./host.ts";
import { createMonitor, type Monitor } from "./monitor.ts";
import { activatedSockets, notify } from "./notify.ts";
import { removePidfile, writePidfile } from "./pidfile.ts";
import {
  requireSafeConfiguration,
  type SocketOptions,
  socketOfOptions,
  socketsOfConfiguration,
} from "./settings.ts";

/** What jk_socketd is told to do. */
export interface SocketdOptions {
  /** Lines are shown on standard output, and the process stays in the foreground. */
  foreground: boolean;
  /** This is the process that was started to stay; the one that started it waits to hear how it went. */
  detached: boolean;
  /** An absolute path. */
  pidfile: ByteString | undefined;
  /** One socket, instead of those of the configuration. */
  socket: SocketOptions | undefined;
  /** Who the relay is to run as; undefined: its own account. */
  user: ByteString | undefined;
}

/**
 * Starts the process that stays, with `words` as its arguments, and waits until it serves. Returns the exit status:
 * its own where it did not come to that.
 */
export function detach(words: readonly ByteString[]): number {
  const { pid, control } = startDetached(words, environment());
  const packet = receivePacket(control, new Uint8Array(1));
  return packet !== undefined && packet.length > 0 ? 0 : (waitFor(pid) ?? 1);
}

/** Standard input, output and error of the process that stays: whoever waits for their end is not kept waiting. */
function closeStandard(): void {
  const nothing = openAt(C.AT_FDCWD, "/dev/null", C.O_RDWR);
  for (const fd of [0, 1, 2, standardError]) libc.dup3(nothing, fd, fd > 2 ? C.O_CLOEXEC : 0);
  close(nothing);
}

/** Runs jk_socketd until it is told to end. Returns the exit status. Throws JailkitError, SystemError. */
export function runSocketd(options: SocketdOptions): number {
  takeName();
  requireRoot(1);
  const log = openOwnLog();
  const show = (text: ByteString) => {
    if (options.foreground) printLine(text);
  };
  /** An end as jailkit 2.23 has it: in the log, and shown as what is logged is, or else told on standard error. */
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
  let monitor: Monitor;
  try {
    monitor = createMonitor({
      account,
      mirror: options.foreground,
      read: () => (options.socket === undefined ? socketsOfConfiguration() : socketOfOptions(options.socket)),
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
      // Of those that a file names the log tells; the one of --socket was typed just now.
      if (options.socket !== undefined) tellWhy(options.socket.path, monitor.complaints);
      return stop(
        1,
        "no valid sockets specified in configfile /etc/jailkit/jk_socketd.ini or on commandline, nothing to do, exiting...",
      );
    }
    requireSafeConfiguration();
    serve(monitor, options, (text) => log.write("notice", text));
    return 0;
  } catch (error) {
    log.write("err", describeError(error));
    throw error;
  } finally {
    monitor.close();
  }
}

function tellWhy(path: ByteString, complaints: readonly ByteString[]): void {
  const directory = directoryOf(path);
  const missing = path.startsWith("/") && statIfPresent(C.AT_FDCWD, directory) === undefined;
  const hint = missing ? `; there is no directory ${display(directory)}` : "";
  for (const why of complaints) printError(`jk_socketd: ${why}${hint}`);
}

function serve(monitor: Monitor, options: SocketdOptions, complain: (text: ByteString) => void): void {
  const { pidfile } = options;
  monitor.start();
  if (pidfile !== undefined) {
    try {
      writePidfile(pidfile);
    } catch (error) {
      complain(`failed to write pidfile: ${describeError(error)}`);
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
    if (pidfile !== undefined) removePidfile(pidfile);
  }
}
