import { type ByteString, toBytes } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno, SystemError } from "../../../ffi/error.ts";
import { IN_ATTRIB } from "../../../ffi/events.ts";
import { close, readLink, type Stat, sameFile, statIfPresent } from "../../../ffi/files.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { connectTo, SOCK_DGRAM, SOCK_STREAM, sendNow } from "../../../ffi/sockets.ts";
import { type Severity, syslogLine } from "../../system/syslog.ts";
import { NAMES, type Watches } from "./watches.ts";

/** The socket of the host's log daemon. */
export const HOST_SOCKET: ByteString = "/dev/log";

/** A connection to the log daemon, and the socket that it leads to. */
interface HostConnection {
  readonly fd: number;
  readonly stream: boolean;
  readonly socket: Stat | undefined;
}

const socketNow = () => statIfPresent(C.AT_FDCWD, HOST_SOCKET, true);

/** Connects as syslog(3) does: with datagrams, or else with a stream. Throws SystemError. */
export function connectHost(): HostConnection {
  const socket = socketNow();
  try {
    return { fd: connectTo(HOST_SOCKET, SOCK_DGRAM, true), stream: false, socket };
  } catch (error) {
    if (!isErrno(error, "EPROTOTYPE")) throw error;
    return { fd: connectTo(HOST_SOCKET, SOCK_STREAM, true), stream: true, socket };
  }
}

/** Whether this connection leads to the daemon that listens now, and that daemon is alive. */
function isCurrent(connection: HostConnection): boolean {
  const now = socketNow();
  if (now === undefined || connection.socket === undefined || !sameFile(now, connection.socket)) return false;
  try {
    close(connectTo(HOST_SOCKET, connection.stream ? SOCK_STREAM : SOCK_DGRAM, true));
    return true;
  } catch {
    return false;
  }
}

/** The directories in which a new daemon's socket can appear: those of /dev/log and of its targets, if it is a link. */
function hostDirectories(): ByteString[] {
  const directories: ByteString[] = [];
  let path = HOST_SOCKET;
  for (let links = 0; links < 8; links++) {
    const directory = directoryOf(path);
    directories.push(directory);
    try {
      const target = readLink(C.AT_FDCWD, path);
      path = target.startsWith("/") ? target : `${directory}/${target}`;
    } catch {
      // Not a link, or missing: the socket is or will be here.
      break;
    }
  }
  return directories;
}

/** The relay's connection, kept up to date. Times are milliseconds. */
export interface HostLink {
  /** Connects again, or tries later. */
  connect(): void;
  /** Whether the connection leads to the present daemon; if not, connects again. */
  check(): boolean;
  /** When to call `connect` again, or Infinity. */
  retryAt(): number;
}

const FIRST_RETRY = 100;
const LAST_RETRY = 5000;
// Attributes in /dev change all the time.
const HOST_NAMES = NAMES & ~IN_ATTRIB;

/**
 * Keeps a connection to the log daemon. `connected` gets each new one and passes its descriptor to the relay. It is then
 * closed here; otherwise epoll(7) would report the end of a stream forever for a descriptor that the relay has closed.
 */
export function createHostLink(watches: Watches, connected: (connection: HostConnection) => void): HostLink {
  let connection: HostConnection | undefined;
  let retryAt = Number.POSITIVE_INFINITY;
  let pause = FIRST_RETRY;

  function connect(): void {
    try {
      const fresh = connectHost();
      connection = fresh;
      try {
        connected(fresh);
      } finally {
        close(fresh.fd);
      }
      retryAt = Number.POSITIVE_INFINITY;
      pause = FIRST_RETRY;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      retryAt = Bun.nanoseconds() / 1e6 + pause;
      pause = Math.min(pause * 2, LAST_RETRY);
    }
    watch();
  }

  const check = (): boolean => {
    if (connection !== undefined && isCurrent(connection)) return true;
    pause = FIRST_RETRY;
    connect();
    return false;
  };
  const changed = () => {
    check();
  };

  function watch(): void {
    watches.forget(changed);
    for (const path of hostDirectories()) {
      watches.add({ path, mask: HOST_NAMES, name: undefined, changed });
    }
  }

  return { connect, check, retryAt: () => retryAt };
}

/** The log of jk_socketd itself. */
export interface OwnLog {
  /** Never throws. While the daemon is away, lines are kept, up to a limit. */
  write(severity: Severity, text: ByteString): void;
  /** There may be a daemon again. */
  retry(): void;
}

const MOST_LINES = 100;

/** Opens the log of this process. */
export function openOwnLog(): OwnLog {
  let connection: HostConnection | undefined;
  const lines: ByteString[] = [];

  function send(line: ByteString): boolean {
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        connection ??= connectHost();
      } catch {
        return false;
      }
      const bytes = toBytes(connection.stream ? `${line}\0` : line);
      if (sendNow(connection.fd, bytes) >= 0) return true;
      close(connection.fd);
      connection = undefined;
    }
    return false;
  }

  function retry(): void {
    while (lines.length > 0 && send(lines[0] ?? "")) lines.shift();
  }

  return {
    retry,
    write(severity, text) {
      retry();
      const line = syslogLine("jk_socketd", "daemon", severity, text);
      if ((lines.length > 0 || !send(line)) && lines.length < MOST_LINES) lines.push(line);
    },
  };
}
