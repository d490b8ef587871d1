import type { ByteString } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { fstat } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import { passCredentials, setNonblocking } from "../../../ffi/sockets.ts";
import { display } from "../../cli/display.ts";
import { describeError } from "../../cli/error.ts";
import { VERSION } from "../../cli/version.ts";
import type { Severity } from "../../system/syslog.ts";
import type { SocketSettings } from "../protocol.ts";
import type { RelayAccount } from "./account.ts";
import { Backoff } from "./backoff.ts";
import { type BoundSocket, bindSocket, isStillBound, removeSocket } from "./bound-socket.ts";
import type { ActivatedSocket } from "./notify.ts";
import type { RelayKeeper } from "./relay-keeper.ts";
import { showLimits, type WantedSockets } from "./settings.ts";
import type { SocketStatus } from "./status.ts";
import { NAMES, type Watches } from "./watches.ts";

const LEVELS = 3;
const LIMITS = { atOnce: 5, longestPause: 60_000, calm: 120_000 } as const;

/** A socket of the configuration, whether it exists or not. Times are milliseconds. */
class ServedSocket {
  /** When it may be created again. */
  notBefore = 0;
  /** Undefined while it could not be created. */
  private bound: BoundSocket | undefined;
  private createdAt = 0;
  // Another program that creates a socket with the same name may remove this one over and over.
  private readonly backoff = new Backoff(LIMITS);
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
   * Creates the socket if it is missing; "later" if it was created too often, "lost" if its directory was removed, with all
   * of the jail's: then the socket is closed. `complain` gets the reason of a failure, once for each reason.
   */
  ensureBound(
    now: number,
    complain: (text: ByteString) => void,
  ): "kept" | "created" | "failed" | "lost" | "later" {
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
      // In a directory that was moved, programs may still use it.
      if (bound === undefined || fstat(bound.directory).nlink > 0) return "failed";
      removeSocket(bound, true);
      this.bound = undefined;
      return "lost";
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

interface ServedSocketsOptions {
  watches: Watches;
  relay: Pick<RelayKeeper, "command" | "socketAdded" | "status">;
  activated: readonly ActivatedSocket[];
  log(severity: Severity, text: ByteString): void;
}

const NEVER = Number.POSITIVE_INFINITY;
const clock = () => Bun.nanoseconds() / 1e6;

const listening = (settings: SocketSettings) =>
  `version ${VERSION}, listening on socket ${display(settings.path)} with rates ${showLimits(settings)}`;

/** The sockets of the configuration: created, kept at their paths, and passed to the relay. Times are milliseconds. */
export class ServedSockets {
  /** When a socket may be created again that disappeared too often; or Infinity. */
  retryAt = NEVER;
  private readonly byPath = new Map<ByteString, ServedSocket>();
  private nextId = 1;

  constructor(private readonly options: ServedSocketsOptions) {}

  /** The descriptors of those that exist. */
  descriptors(): number[] {
    return [...this.byPath.values()].flatMap(({ descriptor }) => descriptor ?? []);
  }

  /** Opens, changes and closes sockets until they are as wanted. */
  apply(wanted: WantedSockets): void {
    const { log } = this.options;
    for (const { severity, text } of wanted.notes) log(severity, `version ${VERSION}, ${text}`);
    const paths = new Set(wanted.sockets.map(({ path }) => path));
    for (const socket of [...this.byPath.values()]) {
      if (paths.has(socket.settings.path)) continue;
      this.close(socket);
      log("notice", `version ${VERSION}, socket ${display(socket.settings.path)} is closed`);
    }
    for (const settings of wanted.sockets) {
      const socket = this.byPath.get(settings.path);
      if (socket === undefined) this.open(settings);
      else if (socket.activated === undefined && socket.settings.type !== settings.type) {
        this.close(socket);
        this.open(settings);
      } else this.change(socket, settings);
    }
  }

  /** Creates every socket that is missing. */
  ensureAll(): void {
    for (const socket of this.byPath.values()) this.ensure(socket);
  }

  /** As ensureAll, for those that had to wait. */
  retry(): void {
    this.retryAt = NEVER;
    this.ensureAll();
  }

  /** Passes all of them to a new relay. */
  passAll(): void {
    for (const socket of this.byPath.values()) this.pass(socket);
  }

  status({ name, warning }: RelayAccount): SocketStatus[] {
    const answer = this.options.relay.status();
    return [...this.byPath.values()].map((socket) => ({
      settings: socket.settings,
      pid: libc.getpid(),
      listening: socket.descriptor !== undefined,
      activated: socket.activated !== undefined,
      counters: answer?.counters.get(socket.id),
      connected: answer?.connected ?? false,
      user: name,
      warning,
    }));
  }

  /** Removes the sockets, but for those of the service manager. */
  removeAll(): void {
    for (const socket of this.byPath.values()) socket.remove();
  }

  private open(settings: SocketSettings): void {
    const activated = this.options.activated.find((socket) => socket.path === settings.path);
    const given = { ...settings, type: activated?.type ?? settings.type };
    const changed = (socket: ServedSocket) => this.ensure(socket);
    const socket = new ServedSocket(this.nextId++, given, activated, this.options.watches, changed);
    this.byPath.set(settings.path, socket);
    if (activated === undefined) {
      this.ensure(socket);
      return;
    }
    passCredentials(activated.fd);
    setNonblocking(activated.fd, true);
    this.announce(socket);
  }

  private change(socket: ServedSocket, wanted: SocketSettings): void {
    const settings = { ...wanted, type: socket.settings.type };
    if (JSON.stringify(socket.settings) === JSON.stringify(settings)) return;
    socket.settings = settings;
    this.options.relay.command({ is: "change", id: socket.id, settings });
    this.options.log("notice", listening(settings));
  }

  private close(socket: ServedSocket): void {
    this.options.relay.command({ is: "close", id: socket.id });
    this.byPath.delete(socket.settings.path);
    socket.remove();
  }

  /** Ensures that the socket exists and that the relay serves it. */
  private ensure(socket: ServedSocket): void {
    const { relay, log } = this.options;
    const result = socket.ensureBound(clock(), (text) => log("crit", text));
    if (result === "later") this.retryAt = Math.min(this.retryAt, socket.notBefore);
    if (result !== "created" && result !== "lost") return;
    relay.command({ is: "close", id: socket.id });
    if (result === "lost") return;
    this.announce(socket);
  }

  private announce(socket: ServedSocket): void {
    this.pass(socket);
    if (socket.descriptor !== undefined) this.options.relay.socketAdded(socket.descriptor);
    this.options.log("notice", listening(socket.settings));
  }

  private pass({ id, settings, descriptor }: ServedSocket): void {
    if (descriptor !== undefined) this.options.relay.command({ is: "open", id, settings }, descriptor);
  }
}
