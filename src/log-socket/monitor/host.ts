import { type ByteString, toBytes } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, isErrno, SystemError } from "../../../ffi/error.ts";
import { IN_ATTRIB } from "../../../ffi/events.ts";
import { close, readLink, type Stat, sameFile, statIfPresent } from "../../../ffi/files.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { connectTo, SOCK_DGRAM, SOCK_STREAM, sendNow } from "../../../ffi/sockets.ts";
import { type Severity, syslogLine } from "../../system/syslog.ts";
import { NAMES, type Watches } from "./watches.ts";

/** The socket of the host's log daemon. */
export const HOST_SOCKET: ByteString = "/dev/log";

interface HostConnection {
  readonly fd: number;
  readonly stream: boolean;
  readonly socket: Stat;
}

const MOST_LINKS = 8;

const socketNow = () => statIfPresent(C.AT_FDCWD, HOST_SOCKET, true);

/** Connects as syslog(3) does: with datagrams, or else with a stream. Throws SystemError. */
export function connectHost(): HostConnection {
  const socket = socketNow();
  // One that appears now would not be known as that of this connection, and be connected to again.
  if (socket === undefined) throw new SystemError(C.ENOENT, "connect", HOST_SOCKET);
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
  if (now === undefined || !sameFile(now, connection.socket)) return false;
  const type = connection.stream ? SOCK_STREAM : SOCK_DGRAM;
  const another = attempt(() => connectTo(HOST_SOCKET, type, true));
  if (another !== undefined) close(another);
  return another !== undefined;
}

/** The directories in which a new daemon's socket can appear: those of /dev/log, and of the targets of symbolic links. */
function hostDirectories(): ByteString[] {
  const directories: ByteString[] = [];
  for (let path = HOST_SOCKET; directories.length < MOST_LINKS; ) {
    const directory = directoryOf(path);
    directories.push(directory);
    const target = attempt(() => readLink(C.AT_FDCWD, path));
    // Not a link, or missing: the socket is or will be here.
    if (target === undefined) break;
    path = target.startsWith("/") ? target : `${directory}/${target}`;
  }
  return directories;
}

const FIRST_RETRY = 100;
const LAST_RETRY = 5000;
const NEVER = Number.POSITIVE_INFINITY;
// Attributes in /dev change all the time.
const HOST_NAMES = NAMES & ~IN_ATTRIB;

/** Keeps the relay connected to the log daemon. Times are milliseconds. */
export class HostLink {
  /** When to call `connect` again, or Infinity. */
  retryAt = NEVER;
  private connection: HostConnection | undefined;
  /** Counts the connections. */
  private number = 0;
  private pause = FIRST_RETRY;

  /**
   * `connected` gets each new connection with its number, and passes its descriptor to the relay. It is then closed here; otherwise
   * epoll(7) would report the end of a stream forever for a descriptor that the relay has closed.
   */
  constructor(
    private readonly watches: Watches,
    private readonly connected: (connection: HostConnection, number: number) => void,
  ) {}

  /** Connects again, or tries later. */
  connect(): void {
    try {
      const fresh = connectHost();
      this.connection = fresh;
      try {
        this.connected(fresh, ++this.number);
      } finally {
        close(fresh.fd);
      }
      this.retryAt = NEVER;
      this.pause = FIRST_RETRY;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.retryAt = Bun.nanoseconds() / 1e6 + this.pause;
      this.pause = Math.min(this.pause * 2, LAST_RETRY);
    }
    this.watches.forget(this.changed);
    for (const path of hostDirectories()) {
      this.watches.add({ path, mask: HOST_NAMES, name: undefined, changed: this.changed });
    }
  }

  /**
   * The relay lost the connection of this number. If there is another one already, the relay gets it next: one more would
   * make it send again what the daemon has.
   */
  lost(number: number): void {
    if (number === this.number) this.connect();
  }

  /** Whether the connection leads to the present daemon; if not, connects again. */
  check(): boolean {
    if (this.connection !== undefined && isCurrent(this.connection)) return true;
    this.pause = FIRST_RETRY;
    this.connect();
    return false;
  }

  private readonly changed = (): void => {
    this.check();
  };
}

const MOST_LINES = 100;

/** The log of jk_socketd itself. */
export class OwnLog {
  private connection: HostConnection | undefined;
  /** Lines that wait for a daemon. */
  private readonly lines: ByteString[] = [];

  /** Never throws. While the daemon is away, lines are kept, up to a limit. */
  write(severity: Severity, text: ByteString): void {
    this.retry();
    const line = syslogLine("jk_socketd", "daemon", severity, text);
    if ((this.lines.length > 0 || !this.send(line)) && this.lines.length < MOST_LINES) this.lines.push(line);
  }

  /** There may be a daemon again. */
  retry(): void {
    while (this.lines[0] !== undefined && this.send(this.lines[0])) this.lines.shift();
  }

  private send(line: ByteString): boolean {
    for (let round = 0; round < 2; round++) {
      this.connection ??= attempt(connectHost);
      if (this.connection === undefined) return false;
      const { fd, stream } = this.connection;
      if (sendNow(fd, toBytes(stream ? `${line}\0` : line)) >= 0) return true;
      close(fd);
      this.connection = undefined;
    }
    return false;
  }
}
