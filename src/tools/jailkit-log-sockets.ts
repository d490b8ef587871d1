import { display, jsonText } from "../cli/display.ts";
import { UsageError } from "../cli/error.ts";
import { JSON_OUTPUT } from "../cli/options.ts";
import { printError, printLine } from "../cli/output.ts";
import { jsonTextOrNull } from "../cli/report.ts";
import { table } from "../cli/table.ts";
import { defineTool } from "../cli/tool.ts";
import { askStatus, type SocketStatus, socketState } from "../log-socket/monitor/status.ts";
import type { LogSocketReport, LogSocketsReport } from "../log-socket/report-schema.ts";

const SECOND = 1_000_000;

function asJson({ settings, counters, user, warning, ...rest }: SocketStatus): LogSocketReport {
  return {
    ...rest,
    user: jsonText(user),
    warning: jsonTextOrNull(warning),
    path: jsonText(settings.path),
    jail: jsonText(settings.jail),
    type: settings.type === "dgram" ? "datagram" : "stream",
    trust: settings.trust,
    base: settings.base,
    peak: settings.peak,
    interval: settings.interval / SECOND,
    counters: counters ?? null,
  };
}

function row(status: SocketStatus): string[] {
  const { settings, counters } = status;
  const limits = `${settings.base}:${settings.peak}/${settings.interval / SECOND}`;
  const numbers = [counters?.messages, counters?.bytes, counters?.pauses, counters?.dropped];
  return [display(settings.path), limits, socketState(status), ...numbers.map((one) => String(one ?? "-"))];
}

function printTable(sockets: readonly SocketStatus[]): void {
  const heading = ["SOCKET", "LIMITS", "STATE", "MESSAGES", "BYTES", "PAUSES", "DROPPED"];
  table([heading, ...sockets.map(row)], 3).forEach(printLine);
  const warnings = new Set(sockets.flatMap(({ warning }) => warning ?? []));
  for (const warning of warnings) printError(`jailkit log-sockets: warning: ${warning}`);
}

/** `jailkit log-sockets`: the sockets that jk_socketd serves, with their counters. */
export const tool = defineTool({
  name: "jailkit log-sockets",
  summary: "show the log sockets that jk_socketd serves, with their counters",
  synopsis: ["[--json]"],
  options: { json: JSON_OUTPUT },
  exitStatus: {
    0: "the sockets were printed",
    1: "jk_socketd is not running, or the user is not root",
    2: "the options are wrong",
  },
  badOptionStatus: 2,
  notes:
    "LIMITS are base:peak/interval, in bytes and seconds. PAUSES counts how often a socket went over them, DROPPED the messages that did not reach the log.",
  root: 1,
  run({ operands }) {
    if (operands.length > 0) throw new UsageError("takes no arguments", 2);
    const sockets = askStatus();
    const running = sockets !== undefined;
    if (!running) printError("jailkit log-sockets: jk_socketd is not running");
    return {
      exitStatus: running ? 0 : 1,
      report: (): LogSocketsReport => ({
        version: 1,
        tool: "jailkit log-sockets",
        running,
        sockets: (sockets ?? []).map(asJson),
      }),
      print: () => sockets !== undefined && printTable(sockets),
    };
  },
});
