import type { ByteString } from "../../../ffi/bytes.ts";
import { createEventSet, EPOLLIN, openSignals, readSignals } from "../../../ffi/events.ts";
import { libc } from "../../../ffi/libc.ts";
import { display } from "../../cli/display.ts";
import { describeError } from "../../cli/error.ts";
import { VERSION } from "../../cli/version.ts";
import { CONFIG_DIRECTORY } from "../../config/load.ts";
import type { Severity } from "../../system/syslog.ts";
import type { SocketSettings } from "../protocol.ts";
import { MONITOR_SIGNALS, SIGNALS } from "../roles.ts";
import { createHostLink, type OwnLog } from "./host.ts";
import { createKeeper } from "./keeper.ts";
import { type ActivatedSocket, notify } from "./notify.ts";
import { removeSocket } from "./place.ts";
import type { RelayOptions } from "./relay-link.ts";
import { adopt, descriptorOf, ensurePlace, type Served, watchPlace } from "./served.ts";
import { requireSafeConfiguration, showLimits, type Wanted } from "./settings.ts";
import { openStatus, type SocketStatus, type StatusService } from "./status.ts";
import { CONTENTS, NAMES, openWatches } from "./watches.ts";

/** What the monitor is started with. */
export interface MonitorOptions extends RelayOptions {
  /** Reads which sockets there are to be. Throws JailkitError. */
  read(): Wanted;
  /** They come from the configuration, which is to be watched. */
  configured: boolean;
  activated: readonly ActivatedSocket[];
  log: OwnLog;
  /** Shows a line where lines are shown. */
  show(text: ByteString): void;
}

/** The monitor, with its sockets made. */
export interface Monitor {
  /** How many sockets there are. */
  readonly count: number;
  /** Why sockets are not served, so far. */
  readonly complaints: readonly ByteString[];
  /** Starts the relay, hands it the sockets. Throws JailkitError. */
  start(): void;
  /** Serves until a signal says that this is the end. */
  run(): void;
  /** Takes everything away again. */
  close(): void;
}

const clock = () => Bun.nanoseconds() / 1e6;
const NEVER = Number.POSITIVE_INFINITY;
// Editors and package managers change several files, or one several times.
const RELOAD_DELAY = 100;

/** Makes the sockets that are wanted. */
export function createMonitor(options: MonitorOptions): Monitor {
  const { log } = options;
  const set = createEventSet();
  const watches = openWatches();
  const signals = openSignals(MONITOR_SIGNALS);
  const served = new Map<ByteString, Served>();
  let status: StatusService | undefined;
  let nextId = 1;
  let reloadAt = NEVER;
  let placesAt = NEVER;
  const complaints: ByteString[] = [];
  let stopping = false;

  const host = createHostLink(watches, (connection) => {
    relay.command({ is: "host", stream: connection.stream }, connection.fd);
    log.retry();
  });

  const relay = createKeeper({
    ...options,
    set,
    *sockets() {
      for (const one of served.values()) {
        const descriptor = descriptorOf(one);
        if (descriptor !== undefined) yield descriptor;
      }
    },
    events: {
      gone: host.connect,
      askedAlive(question) {
        if (host.check()) relay.command({ is: "alive", question });
      },
      line: options.show,
    },
    started() {
      host.connect();
      for (const one of served.values()) handOver(one);
    },
    tell: (text) => tell("err", `version ${VERSION}, ${text}`),
  });

  function tell(severity: Severity, text: ByteString): void {
    if (severity === "crit") complaints.push(text);
    log.write(severity, text);
    options.show(text);
  }

  const listening = (settings: SocketSettings) =>
    `version ${VERSION}, listening on socket ${display(settings.path)} with rates ${showLimits(settings)}`;

  function handOver(one: Served): void {
    const descriptor = descriptorOf(one);
    if (descriptor === undefined) return;
    relay.command({ is: "open", id: one.id, settings: one.settings }, descriptor);
  }

  /** Has a socket in its place, and the relay know of it. */
  function ensure(one: Served): void {
    // First, so that nothing that changes meanwhile is overlooked.
    watchPlace(one, watches);
    const outcome = ensurePlace(one, clock(), (text) => tell("crit", text));
    if (outcome === "later") placesAt = Math.min(placesAt, one.notBefore);
    if (outcome !== "made") return;
    relay.command({ is: "close", id: one.id });
    handOver(one);
    relay.socketsChanged();
    tell("notice", listening(one.settings));
  }

  function open(settings: SocketSettings): void {
    const activated = options.activated.find((socket) => socket.path === settings.path);
    const one: Served = {
      id: nextId++,
      settings: activated === undefined ? settings : { ...settings, type: activated.type },
      placed: undefined,
      activated,
      madeAt: 0,
      notBefore: 0,
      times: 0,
      complaint: undefined,
      changed: () => ensure(one),
    };
    served.set(settings.path, one);
    if (activated !== undefined) {
      adopt(activated);
      handOver(one);
      relay.socketsChanged();
      tell("notice", listening(settings));
    } else ensure(one);
  }

  function drop(one: Served): void {
    relay.command({ is: "close", id: one.id });
    watches.forget(one.changed);
    served.delete(one.settings.path);
    if (one.placed !== undefined) removeSocket(one.placed);
  }

  function apply(wanted: Wanted): void {
    for (const { severity, text } of wanted.notes) tell(severity, `version ${VERSION}, ${text}`);
    const paths = new Set(wanted.sockets.map(({ path }) => path));
    for (const one of [...served.values()]) {
      if (paths.has(one.settings.path)) continue;
      drop(one);
      tell("notice", `version ${VERSION}, socket ${display(one.settings.path)} is closed`);
    }
    for (const settings of wanted.sockets) {
      const one = served.get(settings.path);
      if (one === undefined) open(settings);
      else if (one.activated === undefined && one.settings.type !== settings.type) {
        drop(one);
        open(settings);
      } else if (JSON.stringify(one.settings) !== JSON.stringify({ ...settings, type: one.settings.type })) {
        one.settings = { ...settings, type: one.settings.type };
        relay.command({ is: "change", id: one.id, settings: one.settings });
        tell("notice", listening(settings));
      }
    }
  }

  function reload(): void {
    reloadAt = NEVER;
    if (!options.configured) return;
    notify(`RELOADING=1\nMONOTONIC_USEC=${monotonic()}`);
    try {
      // First, so that nothing that changes meanwhile is overlooked.
      watchConfiguration();
      requireSafeConfiguration();
      apply(options.read());
    } catch (error) {
      tell("err", `version ${VERSION}, the configuration is not read again: ${describeError(error)}`);
    }
    notify("READY=1");
  }

  const configurationChanged = () => {
    reloadAt = clock() + RELOAD_DELAY;
  };

  function watchConfiguration(): void {
    watches.forget(configurationChanged);
    const changed = configurationChanged;
    watches.add({ path: CONFIG_DIRECTORY, mask: CONTENTS, name: "jk_socketd.ini", changed });
    watches.add({ path: CONFIG_DIRECTORY, mask: NAMES, name: "jk_socketd.d", changed });
    watches.add({ path: `${CONFIG_DIRECTORY}/jk_socketd.d`, mask: CONTENTS, name: undefined, changed });
    const slash = CONFIG_DIRECTORY.lastIndexOf("/");
    const [above, name] = [CONFIG_DIRECTORY.slice(0, slash), CONFIG_DIRECTORY.slice(slash + 1)];
    watches.add({ path: above, mask: NAMES, name, changed });
  }

  function describe(): SocketStatus[] {
    const answer = relay.status();
    return [...served.values()].map((one) => ({
      settings: one.settings,
      pid: libc.getpid(),
      listening: descriptorOf(one) !== undefined,
      activated: one.activated !== undefined,
      counters: answer?.counters.get(one.id),
      connected: answer?.connected ?? false,
      user: options.account.name,
      warning: options.account.warning,
    }));
  }

  function takeSignals(): void {
    for (const signal of readSignals(signals)) {
      if (signal === SIGNALS.child) {
        relay.childChanged();
        continue;
      }
      if (signal !== SIGNALS.hangUp) {
        stopping = true;
        return;
      }
      reload();
      for (const one of served.values()) ensure(one);
      host.check();
    }
  }

  function doWhatIsDue(): number {
    const now = clock();
    if (reloadAt <= now) reload();
    if (host.retryAt() <= now) host.connect();
    const relayAt = relay.doWhatIsDue(now);
    if (placesAt <= now) {
      placesAt = NEVER;
      for (const one of served.values()) ensure(one);
    }
    const next = Math.min(reloadAt, host.retryAt(), relayAt, placesAt);
    return next === NEVER ? -1 : Math.max(0, Math.ceil(next - clock()));
  }

  if (options.configured) watchConfiguration();
  apply(options.read());

  return {
    complaints,
    get count() {
      return [...served.values()].filter((one) => descriptorOf(one) !== undefined).length;
    },
    start() {
      set.add(signals, EPOLLIN);
      set.add(watches.fd, EPOLLIN);
      relay.start();
      try {
        status = openStatus(describe);
        set.add(status.fd, EPOLLIN);
      } catch (error) {
        tell(
          "warning",
          `version ${VERSION}, 'jailkit log-sockets' will show nothing: ${describeError(error)}`,
        );
      }
    },
    run() {
      for (;;) {
        const fds = set.wait(doWhatIsDue()).map(({ fd }) => fd);
        // First, and those that came after the wait too: at the end nothing is made anew.
        takeSignals();
        if (stopping) return;
        if (fds.includes(watches.fd)) watches.dispatch();
        if (status !== undefined && fds.includes(status.fd)) status.serve();
        relay.handle(fds);
      }
    },
    close() {
      for (const one of served.values()) {
        watches.forget(one.changed);
        if (one.placed !== undefined) removeSocket(one.placed);
      }
      relay.finish();
      status?.close();
      served.clear();
    },
  };
}

/** CLOCK_MONOTONIC in microseconds, as the service manager wants it. */
function monotonic(): number {
  const time = new BigInt64Array(2);
  libc.clock_gettime(1, new Uint8Array(time.buffer));
  return Number(time[0] ?? 0n) * 1_000_000 + Math.floor(Number(time[1] ?? 0n) / 1000);
}
