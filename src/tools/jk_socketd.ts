import type { ByteString } from "../../ffi/bytes.ts";
import { blockSignals } from "../../ffi/events.ts";
import { absolute } from "../../ffi/guard.ts";
import { quoted } from "../cli/display.ts";
import { UsageError } from "../cli/error.ts";
import { printError } from "../cli/output.ts";
import { startTool } from "../cli/start.ts";
import { defineTool, type Tool } from "../cli/tool.ts";
import { DETACHED_ROLE, MONITOR_SIGNALS, RELAY_ROLE } from "../log-socket/roles.ts";

let detached = false;
let words: readonly ByteString[] = [];

function requireOneOf(name: string, value: ByteString | undefined, allowed: readonly string[]): void {
  if (value === undefined || allowed.includes(value)) return;
  throw new UsageError(`--${name} is one of ${allowed.join(", ")}`);
}

function requireNumber(name: string, value: ByteString | undefined, of: string): void {
  if (value === undefined || /^\s*[-+]?(?:\d|\.\d)/.test(value)) return;
  throw new UsageError(`--${name} is a number of ${of}, not ${quoted(value)}`);
}

const definition = defineTool({
  name: "jk_socketd",
  summary: "serve /dev/log in jails, and relay messages to the host's log, within limits",
  synopsis: ["[-n] [-p FILE]", "[-n] [-p FILE] --socket=PATH [OPTION...]"],
  options: {
    nodetach: {
      short: "n",
      description: "stay in the foreground, and print log lines on standard output",
    },
    pidfile: { short: "p", value: "FILE", description: "write the process id to FILE" },
    socket: {
      value: "PATH",
      description: "serve only this socket, and do not read jk_socketd.ini",
    },
    base: { value: "BYTES", description: "with --socket: bytes that are relayed in each interval (511)" },
    peak: {
      value: "BYTES",
      also: ["peek"],
      description: "with --socket: bytes that are relayed after an interval with less than base (2048)",
    },
    interval: { value: "SECONDS", description: "with --socket: length of an interval (10)" },
    type: { value: "TYPE", description: "with --socket: datagram or stream (datagram)" },
    trust: {
      value: "WHOM",
      description: "with --socket: kernel or sender, who identifies the sender of a message (kernel)",
    },
    user: { short: "u", value: "USER", description: "the account for the relay (_jk-socketd)" },
  },
  exitStatus: {
    0: "ended by SIGTERM or SIGINT, or running in the background",
    1: "not run as root, no log daemon, no socket, another jk_socketd serves one of the sockets, or the options are wrong",
    11: "the configuration cannot be read",
    53: "users other than root can change /etc/jailkit",
  },
  notes:
    "Every message gets its real process id and jail, and a facility that users may have, unless its socket has trust = sender. jk_socketd reads its configuration again after SIGHUP, and after a change of /etc/jailkit/jk_socketd.ini or of a file in /etc/jailkit/jk_socketd.d. 'jailkit log-sockets' shows what it does.",
  root: 1,
  async run({ options, operands }) {
    if (operands.length > 0) throw new UsageError("takes no arguments");
    const { socket, base, peak, interval, type, trust } = options;
    requireOneOf("type", type, ["datagram", "dgram", "stream"]);
    requireOneOf("trust", trust, ["kernel", "sender"]);
    requireNumber("base", base, "bytes");
    requireNumber("peak", peak, "bytes");
    requireNumber("interval", interval, "seconds");
    if (socket === undefined && [base, peak, interval, type, trust].some((value) => value !== undefined)) {
      const names = "--base, --peak, --interval, --type and --trust";
      printError(`jk_socketd: warning: ${names} have no effect without --socket`);
    }
    // Before the background process has another working directory.
    const pidfile = options.pidfile && absolute(options.pidfile);
    const socketd = await import("../log-socket/monitor/socketd.ts");
    if (!options.nodetach && !detached) return socketd.detach(words);
    return socketd.runSocketd({
      foreground: options.nodetach,
      detached,
      pidfile,
      socket: socket === undefined ? undefined : { path: socket, base, peak, interval, type, trust },
      user: options.user,
    });
  },
});

/** jk_socketd(8), in its three roles: launcher, background process and relay. */
export const tool: Tool = {
  ...definition,
  async main(given) {
    // While there is only one thread: see blockSignals.
    if (given[0] === RELAY_ROLE) return (await import("../log-socket/relay/relay.ts")).runRelay();
    blockSignals(MONITOR_SIGNALS);
    detached = given[0] === DETACHED_ROLE;
    words = detached ? given.slice(1) : given;
    return definition.main(words);
  },
};

if (import.meta.main) await startTool(tool);
