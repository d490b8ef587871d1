import { type ByteString, toBytes } from "../../../ffi/bytes.ts";
import { variable } from "../../../ffi/guard.ts";
import { libc } from "../../../ffi/libc.ts";
import { describeSocket, SOCK_DGRAM, SOCK_STREAM, sendDatagram } from "../../../ffi/sockets.ts";

const FIRST_ACTIVATED = 3;
const MOST_ACTIVATED = 1000;

/** Sends a state to the service manager, if there is one: sd_notify(3). Never throws. */
export function notify(state: ByteString): void {
  const path = variable("NOTIFY_SOCKET");
  if (path === undefined || !/^[/@]/.test(path)) return;
  try {
    sendDatagram(path.replace(/^@/, "\0"), toBytes(state));
  } catch {
    // Logging goes on without the service manager.
  }
}

/** A socket that the service manager created. */
export interface ActivatedSocket {
  fd: number;
  path: ByteString;
  type: "dgram" | "stream";
}

/** The sockets that the service manager passed to this process: sd_listen_fds(3). */
export function activatedSockets(): ActivatedSocket[] {
  if (Number(variable("LISTEN_PID")) !== libc.getpid()) return [];
  const count = Math.min(Number(variable("LISTEN_FDS")) || 0, MOST_ACTIVATED);
  return Array.from({ length: count }, (_, i) => FIRST_ACTIVATED + i).flatMap((fd): ActivatedSocket[] => {
    const socket = describeSocket(fd);
    if (socket === undefined || !socket.path.startsWith("/")) return [];
    if (socket.type !== SOCK_STREAM && socket.type !== SOCK_DGRAM) return [];
    return [{ fd, path: socket.path, type: socket.type === SOCK_STREAM ? "stream" : "dgram" }];
  });
}
