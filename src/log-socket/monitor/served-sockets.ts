import type { ByteString } from "../../../ffi/bytes.ts";
import { libc } from "../../../ffi/libc.ts";
import { passCredentials, setNonblocking } from "../../../ffi/sockets.ts";
import { display } from "../../cli/display.ts";
import { VERSION } from "../../cli/version.ts";
import type { Severity } from "../../system/syslog.ts";
import type { SocketSettings } from "../protocol.ts";
import type { RelayAccount } from "./account.ts";
import type { ActivatedSocket } from "./notify.ts";
import type { RelayKeeper } from "./relay-keeper.ts";
import { ServedSocket } from "./served-socket.ts";
import { showLimits, type WantedSockets } from "./settings.ts";
import type { SocketStatus } from "./status.ts";
import type { Watches } from "./watches.ts";

interface ServedSocketsOptions {
  watches: Watches;
  relay: Pick<RelayKeeper, "command" | "socketsChanged" | "status">;
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
    if (result !== "created") return;
    relay.command({ is: "close", id: socket.id });
    this.announce(socket);
  }

  private announce(socket: ServedSocket): void {
    this.pass(socket);
    this.options.relay.socketsChanged();
    this.options.log("notice", listening(socket.settings));
  }

  private pass({ id, settings, descriptor }: ServedSocket): void {
    if (descriptor !== undefined) this.options.relay.command({ is: "open", id, settings }, descriptor);
  }
}
