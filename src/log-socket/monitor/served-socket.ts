import type { ByteString } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { passCredentials, setNonblocking } from "../../../ffi/sockets.ts";
import { display } from "../../cli/display.ts";
import { describeError } from "../../cli/error.ts";
import type { SocketSettings } from "../protocol.ts";
import { type BoundSocket, bindSocket, isStillBound, removeSocket } from "./bound-socket.ts";
import type { ActivatedSocket } from "./notify.ts";
import { NAMES, type Watches } from "./watches.ts";

/** A socket of the configuration, whether it exists or not. Times are milliseconds. */
export interface ServedSocket {
  readonly id: number;
  settings: SocketSettings;
  /** Undefined while it could not be created. */
  bound: BoundSocket | undefined;
  /** The service manager created it, and keeps it. */
  readonly activated: ActivatedSocket | undefined;
  /** When it was created last, when it may be created again, and how often it was created in quick succession. */
  createdAt: number;
  notBefore: number;
  times: number;
  /** The last reported reason why it cannot be created. */
  complaint: ByteString | undefined;
  readonly changed: () => void;
}

/** What ensureBound did. */
type EnsureResult = "kept" | "created" | "failed" | "later";

const TIMES_AT_ONCE = 5;
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 60_000;
const LEVELS = 3;

/** The descriptor, if the socket exists. */
export function descriptorOf(socket: ServedSocket): number | undefined {
  return socket.activated?.fd ?? socket.bound?.fd;
}

/** Prepares a socket of the service manager. */
export function adopt({ fd }: ActivatedSocket): void {
  passCredentials(fd);
  setNonblocking(fd, true);
}

/** Watches the socket's directory and two above it, in case the jail is moved or replaced. */
export function watchPath(socket: ServedSocket, watches: Watches): void {
  watches.forget(socket.changed);
  if (socket.activated !== undefined) return;
  let path = socket.settings.path;
  for (let level = 0; level < LEVELS && path !== "/"; level++) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const directory = directoryOf(path);
    // A change of the directory's own mode, which has no name, counts too.
    const exists = watches.add({ path: directory, mask: NAMES, name, changed: socket.changed });
    // If the path is missing, watch the nearest directory that exists.
    if (!exists && level === LEVELS - 1) level--;
    path = directory;
  }
}

/**
 * Sets when a new socket may be created again. Another program that creates one with the same name may remove it over
 * and over.
 */
export function noteCreated(
  socket: Pick<ServedSocket, "createdAt" | "notBefore" | "times">,
  now: number,
): void {
  socket.times = now - socket.createdAt > 2 * LONGEST_PAUSE ? 1 : socket.times + 1;
  socket.createdAt = now;
  const excess = socket.times - TIMES_AT_ONCE;
  const pause = excess <= 0 ? 0 : Math.min(FIRST_PAUSE * 2 ** (excess - 1), LONGEST_PAUSE);
  socket.notBefore = now + pause;
}

/**
 * Creates the socket if it is missing; "later" if it was created too often. `complain` gets the reason of a failure,
 * once for each reason.
 */
export function ensureBound(
  socket: ServedSocket,
  now: number,
  complain: (text: ByteString) => void,
): EnsureResult {
  const { settings, bound } = socket;
  if (socket.activated !== undefined) return "kept";
  if (bound !== undefined && isStillBound(bound, settings.path)) return "kept";
  if (now < socket.notBefore) return "later";
  try {
    socket.bound = bindSocket(settings.path, settings.type);
    if (bound !== undefined) removeSocket(bound, true);
    socket.complaint = undefined;
    noteCreated(socket, now);
    return "created";
  } catch (error) {
    const reason = error instanceof SystemError ? error.reason : describeError(error);
    const text = `while opening ${display(settings.path)}: ${reason}`;
    if (socket.complaint !== text) complain(text);
    socket.complaint = text;
    return "failed";
  }
}
