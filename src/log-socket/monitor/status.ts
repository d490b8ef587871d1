import { type ByteString, fromBytes, toBytes } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { close, openAt, readDirectory, unlinkAt } from "../../../ffi/files.ts";
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
  setSendTimeout,
} from "../../../ffi/sockets.ts";
import { openDirectory, release } from "../../jail/fs/walk.ts";
import { makeDirectories } from "../../jail/fs/write.ts";
import { withTree } from "../../jail/record/registry.ts";
import type { Counters, SocketSettings } from "../protocol.ts";

/** Where each jk_socketd that runs answers, under its pid. Root's alone. */
export const STATUS_DIRECTORY: ByteString = "/run/jailkit/log-sockets";

/** A socket, its settings, and what it has done. */
export interface SocketStatus {
  settings: SocketSettings;
  /** The pid of its jk_socketd. */
  pid: number;
  /** Whether it is in its place. */
  listening: boolean;
  activated: boolean;
  /** Undefined where the relay did not answer. */
  counters: Counters | undefined;
  /** Whether the host's log daemon is there. */
  connected: boolean;
  /** The account of the relay, and what is wrong with it. */
  user: ByteString;
  warning: ByteString | undefined;
}

/** The answering side. */
export interface StatusService {
  readonly fd: number;
  /** Answers whoever asked. */
  serve(): void;
  close(): void;
}

const BACKLOG = 8;
const LONGEST = 1 << 16;
const PATIENCE = 2;

/** Opens the directory, and makes it if asked to; undefined where it is missing. */
function openPlace(make: boolean): number | undefined {
  return withTree((tree) => {
    if (make) {
      const own = (path: ByteString) => path === STATUS_DIRECTORY;
      makeDirectories(tree, STATUS_DIRECTORY, (path) => ({
        mode: own(path) ? 0o700 : 0o755,
        uid: 0,
        gid: 0,
      }));
    }
    try {
      const directory = openDirectory(tree, STATUS_DIRECTORY);
      const fd = openAt(directory.fd, ".", C.O_RDONLY | C.O_DIRECTORY);
      release(directory);
      return fd;
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  });
}

/** Answers questions about the sockets of this process. Throws SystemError, JailkitError. */
export function openStatus(describe: () => SocketStatus[]): StatusService {
  const directory = openPlace(true) ?? -1;
  const name = String(libc.getpid());
  const fd = openSocket(SOCK_SEQPACKET, true);
  try {
    // Of a process that had this pid before.
    unlinkIfThere(directory, name);
    bindIn(fd, directory, name);
    listen(fd, BACKLOG);
  } catch (error) {
    close(fd);
    close(directory);
    throw error;
  }
  return {
    fd,
    serve() {
      const connection = accept(fd);
      if (connection === undefined) return;
      try {
        setNonblocking(connection, false);
        // Who asks and does not read must not stop the monitor.
        setSendTimeout(connection, PATIENCE);
        for (const one of describe()) if (!sendPacket(connection, toBytes(JSON.stringify(one)))) break;
      } catch (error) {
        if (!isErrno(error, "EPIPE", "ECONNRESET", "EMSGSIZE")) throw error;
      } finally {
        close(connection);
      }
    },
    close() {
      unlinkIfThere(directory, name);
      close(fd);
      close(directory);
    },
  };
}

function unlinkIfThere(directory: number, name: ByteString): void {
  try {
    unlinkAt(directory, name);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

function ask(directory: number, name: ByteString): SocketStatus[] {
  let fd: number;
  try {
    fd = connectTo(`/proc/self/fd/${directory}/${name}`, SOCK_SEQPACKET);
  } catch (error) {
    if (!isErrno(error, "ECONNREFUSED", "ENOENT")) throw error;
    // Left by one that was killed.
    if (error.code === "ECONNREFUSED") unlinkIfThere(directory, name);
    return [];
  }
  try {
    const answers: SocketStatus[] = [];
    const buffer = new Uint8Array(LONGEST);
    for (;;) {
      const packet = receivePacket(fd, buffer);
      if (packet === undefined || packet.length === 0) return answers;
      answers.push(JSON.parse(fromBytes(buffer, 0, packet.length)) as SocketStatus);
    }
  } finally {
    close(fd);
  }
}

/** The sockets of every jk_socketd that runs; undefined where none does. Needs root. Throws SystemError. */
export function askStatus(): SocketStatus[] | undefined {
  const directory = openPlace(false);
  if (directory === undefined) return undefined;
  try {
    const names = readDirectory(directory).map(({ name }) => name);
    const answers = names.filter((name) => /^\d+$/.test(name)).map((name) => ask(directory, name));
    const left = readDirectory(directory).some(({ name }) => /^\d+$/.test(name));
    return left ? answers.flat() : undefined;
  } finally {
    close(directory);
  }
}
