import type { ByteString } from "../../ffi/bytes.ts";
import { blockSignals } from "../../ffi/events.ts";
import { workingDirectory } from "../../ffi/process.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError, UsageError } from "../cli/error.ts";
import { printError } from "../cli/output.ts";
import { startTool } from "../cli/start.ts";
import { defineTool, type Tool } from "../cli/tool.ts";
import { DETACHED_ROLE, MONITOR_SIGNALS, RELAY_ROLE } from "../log-socket/roles.ts";

let detached = false;
let words: readonly ByteString[] = [];

function absolute(path: ByteString): ByteString {
  if (path.startsWith("/")) return path;
  const directory = workingDirectory();
  if (directory !== undefined) return `${directory}/${path}`;
  throw new JailkitError(
    "relative-path",
    1,
    "the working directory is gone: write the pidfile's path from / on",
  );
}

const definition = defineTool({
  name: "jk_socketd",
  summary: "serve /dev/log in jails, and relay what comes to the log of this machine, within limits",
  synopsis: [
    "[-n] [-p FILE]",
    "[-n] [-p FILE] --socket=PATH [--base=BYTES] [--peak=BYTES] [--interval=SECONDS]",
  ],
  options: {
    nodetach: {
      short: "n",
      description: "stay in the foreground, and show on standard output what is logged",
    },
    pidfile: { short: "p", value: "FILE", description: "write the process id to FILE" },
    socket: {
      value: "PATH",
      description: "serve this socket alone; jk_socketd.ini is not read",
    },
    base: { value: "BYTES", description: "with --socket: bytes that pass in an interval (511)" },
    peak: {
      value: "BYTES",
      also: ["peek"],
      description: "with --socket: bytes that pass after an interval with less than base (2048)",
    },
    interval: { value: "SECONDS", description: "with --socket: length of an interval (10)" },
    type: { value: "TYPE", description: "with --socket: datagram or stream (datagram)" },
    trust: {
      value: "WHOM",
      description: "with --socket: kernel or sender, for whose word counts on who sent a message (kernel)",
    },
    user: { short: "u", value: "USER", description: "the account that the relay runs as (_jk-socketd)" },
  },
  exitStatus: {
    0: "ended by SIGTERM or SIGINT, or running in the background",
    1: "not started by root, no log daemon, no socket, or the options are wrong",
    11: "the configuration cannot be read",
    53: "/etc/jailkit can be changed by others than root",
  },
  notes:
    "Every message gets the facility, the process id and the jail that it really comes from, unless its socket has trust = sender. SIGHUP, or a change of /etc/jailkit/jk_socketd.ini or of a file in /etc/jailkit/jk_socketd.d, makes it read its configuration again. 'jailkit log-sockets' shows what it does.",
  async run({ options, operands }) {
    if (operands.length > 0) throw new UsageError("takes no arguments");
    const { socket, base, peak, interval, type, trust } = options;
    for (const [name, value, known] of [
      ["type", type, ["datagram", "dgram", "stream"]],
      ["trust", trust, ["kernel", "sender"]],
    ] as const) {
      if (value === undefined || (known as readonly string[]).includes(value)) continue;
      throw new UsageError(`--${name} is one of ${known.join(", ")}`);
    }
    for (const [name, value, what] of [
      ["base", base, "a number of bytes"],
      ["peak", peak, "a number of bytes"],
      ["interval", interval, "a number of seconds"],
    ] as const) {
      if (value === undefined || /^\s*[-+]?(?:\d|\.\d)/.test(value)) continue;
      throw new UsageError(`--${name} is ${what}, not ${quoted(value)}`);
    }
    if (socket === undefined && [base, peak, interval, type, trust].some((value) => value !== undefined)) {
      printError(
        "jk_socketd: warning: --base, --peak, --interval, --type and --trust mean nothing without --socket",
      );
    }
    const socketd = await import("../log-socket/monitor/socketd.ts");
    if (!options.nodetach && !detached) return socketd.detach(words);
    return socketd.runSocketd({
      foreground: options.nodetach,
      detached,
      pidfile: options.pidfile === undefined ? undefined : absolute(options.pidfile),
      socket: socket === undefined ? undefined : { path: socket, base, peak, interval, type, trust },
      user: options.user,
    });
  },
});

/** jk_socketd(8), in its three roles: what is started, what stays, and the relay. */
export const tool: Tool = {
  ...definition,
  async main(given) {
    // While there is one thread: see blockSignals.
    if (given[0] === RELAY_ROLE) return (await import("../log-socket/relay/relay.ts")).runRelay();
    blockSignals(MONITOR_SIGNALS);
    detached = given[0] === DETACHED_ROLE;
    words = detached ? given.slice(1) : given;
    return definition.main(words);
  },
};

if (import.meta.main) await startTool(tool);
