import type { ByteString } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { passCredentials, setNonblocking } from "../../../ffi/sockets.ts";
import { display } from "../../cli/display.ts";
import { describeError } from "../../cli/error.ts";
import type { SocketSettings } from "../protocol.ts";
import type { ActivatedSocket } from "./notify.ts";
import { isInPlace, type PlacedSocket, placeSocket, removeSocket } from "./place.ts";
import { NAMES, type Watches } from "./watches.ts";

/** A socket of the configuration: there, or still to be made. */
export interface Served {
  readonly id: number;
  settings: SocketSettings;
  /** Undefined while it could not be made. */
  placed: PlacedSocket | undefined;
  /** The service manager made it, and keeps it. */
  readonly activated: ActivatedSocket | undefined;
  /** When it was made last and may be made again (milliseconds), and how often it was made in quick succession. */
  madeAt: number;
  notBefore: number;
  times: number;
  /** What was told last about why it cannot be made. */
  complaint: ByteString | undefined;
  readonly changed: () => void;
}

/** What became of an attempt to have a socket in its place. */
export type Outcome = "kept" | "made" | "missing" | "later";

const TIMES_AT_ONCE = 5;
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 60_000;
const LEVELS = 3;

/** The descriptor that is to be served, if there is one. */
export function descriptorOf(served: Served): number | undefined {
  return served.activated?.fd ?? served.placed?.fd;
}

/** Gets a socket from the service manager ready. */
export function adopt({ fd }: ActivatedSocket): void {
  passCredentials(fd);
  setNonblocking(fd, true);
}

/** Watches the socket's directory and two above it: whether the jail is moved away, or another put in its place. */
export function watchPlace(served: Served, watches: Watches): void {
  watches.forget(served.changed);
  if (served.activated !== undefined) return;
  let path = served.settings.path;
  for (let level = 0; level < LEVELS && path !== "/"; level++) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const directory = directoryOf(path);
    // In the directory itself a change of its mode counts too, which has no name.
    const there = watches.add({ path: directory, mask: NAMES, name, changed: served.changed });
    // Of a path that is missing, the nearest directory that is there.
    if (!there && level === LEVELS - 1) level--;
    path = directory;
  }
}

/**
 * Settles when a socket that was just made may be made again. Somebody may take it away again and again, such as
 * another program that makes one of the same name.
 */
export function noteMade(served: Pick<Served, "madeAt" | "notBefore" | "times">, now: number): void {
  served.times = now - served.madeAt > 2 * LONGEST_PAUSE ? 1 : served.times + 1;
  served.madeAt = now;
  const excess = served.times - TIMES_AT_ONCE;
  const pause = excess <= 0 ? 0 : Math.min(FIRST_PAUSE * 2 ** (excess - 1), LONGEST_PAUSE);
  served.notBefore = now + pause;
}

/**
 * Makes the socket where it is not in its place. Returns what was done, "later" where it was made too often; `tell`
 * gets why it could not be, once for each reason.
 */
export function ensurePlace(served: Served, now: number, tell: (text: ByteString) => void): Outcome {
  const { settings, placed } = served;
  if (served.activated !== undefined) return "kept";
  if (placed !== undefined && isInPlace(placed, settings.path)) return "kept";
  if (now < served.notBefore) return "later";
  try {
    const fresh = placeSocket(settings.path, settings.type);
    if (placed !== undefined) removeSocket(placed, true);
    served.placed = fresh;
    served.complaint = undefined;
    noteMade(served, now);
    return "made";
  } catch (error) {
    const reason = error instanceof SystemError ? error.reason : describeError(error);
    const text = `while opening ${display(settings.path)}: ${reason}`;
    if (served.complaint !== text) tell(text);
    served.complaint = text;
    return "missing";
  }
}
