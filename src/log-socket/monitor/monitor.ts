import type { ByteString } from "../../../ffi/bytes.ts";
import { SIGCHLD, SIGHUP } from "../../../ffi/constants.ts";
import {
  createEventSet,
  EPOLLIN,
  monotonicMicroseconds,
  openSignals,
  readSignals,
} from "../../../ffi/events.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import { describeError } from "../../cli/error.ts";
import { VERSION } from "../../cli/version.ts";
import { CONFIG_DIRECTORY } from "../../config/load.ts";
import type { Severity } from "../../system/syslog.ts";
import type { RelayReport } from "../protocol.ts";
import { MONITOR_SIGNALS } from "../roles.ts";
import { HostLink, type OwnLog } from "./host.ts";
import { type ActivatedSocket, notify } from "./notify.ts";
import { RelayKeeper } from "./relay-keeper.ts";
import type { RelayOptions } from "./relay-link.ts";
import { ServedSockets } from "./served-sockets.ts";
import { requireSafeConfiguration, type WantedSockets } from "./settings.ts";
import { StatusService } from "./status.ts";
import { CONTENTS, NAMES, Watches } from "./watches.ts";

interface MonitorOptions extends RelayOptions {
  /** Reads which sockets are wanted. Throws JailkitError. */
  read(): WantedSockets;
  /** They come from the configuration, which is then watched. */
  configured: boolean;
  activated: readonly ActivatedSocket[];
  log: OwnLog;
  /** Prints a line if the process is in the foreground. */
  show(text: ByteString): void;
}

const clock = () => Bun.nanoseconds() / 1e6;
const NEVER = Number.POSITIVE_INFINITY;
// Editors and package managers change several files, or one file several times.
const RELOAD_DELAY = 100;

/**
 * The part of jk_socketd that runs as root. The constructor creates the wanted sockets, and throws JailkitError,
 * SystemError. Times are milliseconds.
 */
export class Monitor {
  /** Why sockets are not served. */
  readonly complaints: ByteString[] = [];

  private readonly set = createEventSet();
  private readonly watches = new Watches();
  private readonly signals = openSignals(MONITOR_SIGNALS);
  private readonly host: HostLink;
  private readonly relay: RelayKeeper;
  private readonly sockets: ServedSockets;
  private status: StatusService | undefined;
  private reloadAt = NEVER;
  private stopping = false;

  constructor(private readonly options: MonitorOptions) {
    const { watches, set } = this;
    this.host = new HostLink(watches, ({ fd, stream }, connection) => {
      this.relay.command({ is: "host", connection, stream }, fd);
      options.log.retry();
    });
    this.relay = new RelayKeeper({
      ...options,
      set,
      sockets: () => this.sockets.descriptors(),
      report: (report) => this.handleReport(report),
      started: () => {
        this.host.connect();
        this.sockets.passAll();
      },
      log: (text) => this.log("err", `version ${VERSION}, ${text}`),
    });
    this.sockets = new ServedSockets({
      watches,
      relay: this.relay,
      activated: options.activated,
      log: (severity, text) => this.log(severity, text),
    });
    if (options.configured) this.watchConfiguration();
    this.serveWanted();
  }

  /** The number of sockets. */
  get count(): number {
    return this.sockets.descriptors().length;
  }

  /** Starts the relay and passes it the sockets. Throws JailkitError. */
  start(): void {
    this.set.add(this.signals, EPOLLIN);
    this.set.add(this.watches.fd, EPOLLIN);
    this.relay.start();
    try {
      this.status = new StatusService(() => this.sockets.status(this.options.account));
      this.set.add(this.status.fd, EPOLLIN);
    } catch (error) {
      const text = `version ${VERSION}, 'jailkit log-sockets' will show nothing: ${describeError(error)}`;
      this.log("warning", text);
    }
  }

  /** Serves until a signal ends it. */
  run(): void {
    for (;;) {
      const fds = this.set.wait(this.doWhatIsDue()).map(({ fd }) => fd);
      // First, with the signals that arrived after the wait: nothing is created again at the end.
      this.handleSignals();
      if (this.stopping) return;
      if (fds.includes(this.watches.fd)) this.watches.dispatch();
      if (this.status !== undefined && fds.includes(this.status.fd)) {
        this.status.serve();
        Bun.gc(true);
      }
      this.relay.handle(fds);
    }
  }

  /** Removes the sockets, and ends the relay. */
  close(): void {
    this.sockets.removeAll();
    this.relay.finish();
    this.status?.close();
  }

  private log(severity: Severity, text: ByteString): void {
    if (severity === "crit") this.complaints.push(text);
    this.options.log.write(severity, text);
    this.options.show(text);
  }

  private handleReport(report: RelayReport): void {
    const { host } = this;
    if (report.is === "line") this.options.show(report.text);
    else if (report.is === "host-lost") host.lost(report.connection);
    else if (report.is === "check-host" && host.check()) {
      this.relay.command({ is: "host-alive", question: report.question });
    }
  }

  private handleSignals(): void {
    for (const signal of readSignals(this.signals)) {
      if (signal === SIGCHLD) this.relay.childChanged();
      else if (signal === SIGHUP) {
        this.reload();
        this.sockets.ensureAll();
        this.host.check();
      } else {
        this.stopping = true;
        return;
      }
    }
  }

  /** Does what is due. Returns the milliseconds until something is due again, or -1. */
  private doWhatIsDue(): number {
    const { host, sockets } = this;
    const now = clock();
    if (this.reloadAt <= now) this.reload();
    if (host.retryAt <= now) host.connect();
    const relayAt = this.relay.doWhatIsDue(now);
    if (sockets.retryAt <= now) sockets.retry();
    const next = Math.min(this.reloadAt, host.retryAt, relayAt, sockets.retryAt);
    return next === NEVER ? -1 : Math.max(0, Math.ceil(next - clock()));
  }

  private reload(): void {
    this.reloadAt = NEVER;
    if (!this.options.configured) return;
    notify(`RELOADING=1\nMONOTONIC_USEC=${monotonicMicroseconds()}`);
    try {
      // First, so that no change in the meantime is missed.
      this.watchConfiguration();
      requireSafeConfiguration();
      this.serveWanted();
    } catch (error) {
      this.log("err", `version ${VERSION}, cannot reload the configuration: ${describeError(error)}`);
    }
    notify("READY=1");
  }

  /** Reads which sockets are wanted, and serves these. The collections keep what stays apart from what goes. */
  private serveWanted(): void {
    const wanted = this.options.read();
    Bun.gc(true);
    this.sockets.apply(wanted);
    Bun.gc(true);
  }

  private readonly configurationChanged = (): void => {
    this.reloadAt = clock() + RELOAD_DELAY;
  };

  private watchConfiguration(): void {
    const { watches, configurationChanged: changed } = this;
    watches.forget(changed);
    watches.add({ path: CONFIG_DIRECTORY, mask: CONTENTS, name: "jk_socketd.ini", changed });
    watches.add({ path: CONFIG_DIRECTORY, mask: NAMES, name: "jk_socketd.d", changed });
    watches.add({ path: `${CONFIG_DIRECTORY}/jk_socketd.d`, mask: CONTENTS, name: undefined, changed });
    watches.add({
      path: directoryOf(CONFIG_DIRECTORY),
      mask: NAMES,
      name: baseName(CONFIG_DIRECTORY),
      changed,
    });
  }
}
