import { type ByteString, toBytes } from "../../../ffi/bytes.ts";
import { environment } from "../../../ffi/guard.ts";
import { libc } from "../../../ffi/libc.ts";
import { describeSocket, sendDatagram } from "../../../ffi/sockets.ts";

const FIRST_ACTIVATED = 3;
const MOST_ACTIVATED = 1000;

function variable(name: string): ByteString | undefined {
  const prefix = `${name}=`;
  return environment()
    .find((entry) => entry.startsWith(prefix))
    ?.slice(prefix.length);
}

/** sd_notify(3): tells the service manager, if there is one that wants to know. Never throws. */
export function notify(state: ByteString): void {
  const path = variable("NOTIFY_SOCKET");
  if (path === undefined || !/^[/@]/.test(path)) return;
  try {
    sendDatagram(path.replace(/^@/, "\0"), toBytes(state));
  } catch {
    // A service manager that does not listen is not a reason to stop logging.
  }
}

/** A socket that the service manager made. */
export interface ActivatedSocket {
  fd: number;
  path: ByteString;
  type: "dgram" | "stream";
}

/** sd_listen_fds(3): the sockets that were handed over, if they are meant for this process. */
export function activatedSockets(): ActivatedSocket[] {
  if (Number(variable("LISTEN_PID")) !== libc.getpid()) return [];
  const count = Math.min(Number(variable("LISTEN_FDS")) || 0, MOST_ACTIVATED);
  return Array.from({ length: count }, (_, i) => FIRST_ACTIVATED + i).flatMap((fd): ActivatedSocket[] => {
    const socket = describeSocket(fd);
    if (socket === undefined || !socket.path.startsWith("/")) return [];
    if (socket.type !== 1 && socket.type !== 2) return [];
    return [{ fd, path: socket.path, type: socket.type === 1 ? "stream" : "dgram" }];
  });
}
