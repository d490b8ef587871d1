import { type ByteString, fromBytes, toBytes } from "../../../ffi/bytes.ts";
import { unlinkIfPresent } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { close, openAt, readDirectory, withFd } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import {
  accept,
  bindIn,
  connectTo,
  listen,
  openSocket,
  receivePacket,
  SOCK_SEQPACKET,
  sendPacket,
  setNonblocking,
  setReceiveTimeout,
  setSendTimeout,
} from "../../../ffi/sockets.ts";
import { withTree } from "../../jail/fs/look.ts";
import { withDirectory } from "../../jail/fs/walk.ts";
import { makeDirectories } from "../../jail/fs/write.ts";
import type { Counters, SocketSettings } from "../protocol.ts";

/** Each running jk_socketd answers here, under its pid. Only root has access. */
const STATUS_DIRECTORY: ByteString = "/run/jailkit/log-sockets";

/** A socket, its settings and its counters. */
export interface SocketStatus {
  settings: SocketSettings;
  /** The pid of its jk_socketd. */
  pid: number;
  /** Whether the socket exists. */
  listening: boolean;
  activated: boolean;
  /** Undefined if the relay did not answer. */
  counters: Counters | undefined;
  /** Whether the host's log daemon is connected. */
  connected: boolean;
  /** The account of the relay, and a warning about it. */
  user: ByteString;
  warning: ByteString | undefined;
}

/** The state of a socket in a word or two. */
export function socketState({ listening, counters, connected }: SocketStatus) {
  if (!listening) return "missing";
  if (counters === undefined) return "no answer";
  if (!connected) return "no log daemon";
  return counters.paused ? "over its limit" : "listening";
}

const BACKLOG = 8;
const LONGEST = 1 << 16;
const SEND_SECONDS = 2;
const ANSWER_SECONDS = 5;

/** Opens the directory, and creates it with `create`; undefined if it is missing. */
function openStatusDirectory(create: boolean): number | undefined {
  return withTree((tree) => {
    if (create) {
      const modeOf = (path: ByteString) => (path === STATUS_DIRECTORY ? 0o700 : 0o755);
      makeDirectories(tree, STATUS_DIRECTORY, (path) => ({ mode: modeOf(path), uid: 0, gid: 0 }));
    }
    try {
      return withDirectory(tree, STATUS_DIRECTORY, ({ fd }) => openAt(fd, ".", C.O_RDONLY | C.O_DIRECTORY));
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  });
}

/** Answers questions about the sockets of this process. The constructor throws SystemError, JailkitError. */
export class StatusService {
  private readonly directory = openStatusDirectory(true) ?? -1;
  readonly fd = openSocket(SOCK_SEQPACKET, true);
  private readonly name = String(libc.getpid());

  constructor(private readonly describe: () => SocketStatus[]) {
    try {
      // From a process that had this pid before.
      unlinkIfPresent(this.directory, this.name);
      bindIn(this.fd, this.directory, this.name);
      listen(this.fd, BACKLOG);
    } catch (error) {
      close(this.fd);
      close(this.directory);
      throw error;
    }
  }

  /** Answers one client. */
  serve(): void {
    const connection = accept(this.fd);
    if (connection === undefined) return;
    try {
      setNonblocking(connection, false);
      // A client that does not read must not stop the monitor.
      setSendTimeout(connection, SEND_SECONDS);
      for (const one of this.describe()) if (!sendPacket(connection, toBytes(JSON.stringify(one)))) break;
    } catch (error) {
      if (!isErrno(error, "EPIPE", "ECONNRESET", "EMSGSIZE")) throw error;
    } finally {
      close(connection);
    }
  }

  close(): void {
    unlinkIfPresent(this.directory, this.name);
    close(this.fd);
    close(this.directory);
  }
}

function ask(directory: number, name: ByteString): SocketStatus[] {
  let fd: number;
  try {
    fd = connectTo(`/proc/self/fd/${directory}/${name}`, SOCK_SEQPACKET);
  } catch (error) {
    if (!isErrno(error, "ECONNREFUSED", "ENOENT")) throw error;
    // Left by a process that was killed.
    if (error.code === "ECONNREFUSED") unlinkIfPresent(directory, name);
    return [];
  }
  return withFd(fd, () => {
    const answers: SocketStatus[] = [];
    // It may be stopped.
    setReceiveTimeout(fd, ANSWER_SECONDS);
    const buffer = new Uint8Array(LONGEST);
    for (;;) {
      const packet = receivePacket(fd, buffer);
      if (packet === undefined || packet.length === 0) return answers;
      answers.push(JSON.parse(fromBytes(buffer, 0, packet.length)) as SocketStatus);
    }
  });
}

/** The sockets of every running jk_socketd; undefined if there is none. Needs root. Throws SystemError. */
export function askStatus(): SocketStatus[] | undefined {
  const directory = openStatusDirectory(false);
  if (directory === undefined) return undefined;
  return withFd(directory, () => {
    const pids = () => readDirectory(directory).flatMap(({ name }) => (/^\d+$/.test(name) ? [name] : []));
    const answers = pids().flatMap((name) => ask(directory, name));
    return pids().length > 0 ? answers : undefined;
  });
}
