import type { ByteString } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { describeError } from "../../cli/error.ts";
import type { SocketSettings } from "../protocol.ts";
import { Backoff } from "./backoff.ts";
import { type BoundSocket, bindSocket, isStillBound, removeSocket } from "./bound-socket.ts";
import type { ActivatedSocket } from "./notify.ts";
import { NAMES, type Watches } from "./watches.ts";

const LEVELS = 3;

/** A socket of the configuration, whether it exists or not. Times are milliseconds. */
export class ServedSocket {
  /** When it may be created again. */
  notBefore = 0;
  /** Undefined while it could not be created. */
  private bound: BoundSocket | undefined;
  private createdAt = 0;
  // Another program that creates a socket with the same name may remove this one over and over.
  private readonly backoff = new Backoff({ atOnce: 5, longestPause: 60_000, calm: 120_000 });
  /** The last reported reason why it cannot be created. */
  private complaint: ByteString | undefined;
  private readonly changed: () => void;

  /** `activated`: the service manager created it, and keeps it. `changed` is called if it may be missing. */
  constructor(
    readonly id: number,
    public settings: SocketSettings,
    readonly activated: ActivatedSocket | undefined,
    private readonly watches: Watches,
    changed: (socket: ServedSocket) => void,
  ) {
    this.changed = () => changed(this);
  }

  /** Undefined if the socket does not exist. */
  get descriptor(): number | undefined {
    return this.activated?.fd ?? this.bound?.fd;
  }

  /**
   * Creates the socket if it is missing; "later" if it was created too often. `complain` gets the reason of a failure,
   * once for each reason.
   */
  ensureBound(now: number, complain: (text: ByteString) => void): "kept" | "created" | "failed" | "later" {
    const { settings, bound } = this;
    if (this.activated !== undefined) return "kept";
    // First, so that no change in the meantime is missed.
    this.watch();
    if (bound !== undefined && isStillBound(bound, settings.path)) return "kept";
    if (now < this.notBefore) return "later";
    try {
      this.bound = bindSocket(settings.path, settings.type);
    } catch (error) {
      const reason = error instanceof SystemError ? error.reason : describeError(error);
      const text = `while opening ${display(settings.path)}: ${reason}`;
      if (this.complaint !== text) complain(text);
      this.complaint = text;
      return "failed";
    }
    if (bound !== undefined) removeSocket(bound, true);
    this.complaint = undefined;
    this.notBefore = this.backoff.next(this.createdAt, now);
    this.createdAt = now;
    return "created";
  }

  /** Removes the socket, but for one of the service manager. */
  remove(): void {
    this.watches.forget(this.changed);
    if (this.bound !== undefined) removeSocket(this.bound);
  }

  /** Watches the socket's directory and two above it, in case the jail is moved or replaced. */
  private watch(): void {
    const { watches, changed } = this;
    watches.forget(changed);
    let { path } = this.settings;
    for (let level = 0; level < LEVELS && path !== "/"; level++) {
      const directory = directoryOf(path);
      // A change of the directory's own mode, which has no name, counts too.
      const exists = watches.add({ path: directory, mask: NAMES, name: baseName(path), changed });
      // If the path is missing, watch the nearest directory that exists.
      if (!exists && level === LEVELS - 1) level--;
      path = directory;
    }
  }
}
