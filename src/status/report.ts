import { jsonText } from "../cli/display.ts";
import { jsonTextOrNull } from "../cli/report.ts";
import type { MachineFacts } from "./gather.ts";
import type { StatusFinding } from "./kinds.ts";
import type { Moment, Span, StatusNumbers } from "./numbers.ts";
import type { StatusReport } from "./report-schema.ts";

const momentReport = ({ jail, time }: Moment) => ({
  jail: jsonText(jail),
  time: new Date(time * 1000).toISOString(),
});

const spanReport = (span: Span | undefined) =>
  span === undefined ? null : { oldest: momentReport(span.oldest), newest: momentReport(span.newest) };

/** The report of `jailkit status`. Pure. */
export function statusReport(
  facts: MachineFacts,
  numbers: StatusNumbers,
  findings: readonly StatusFinding[],
): StatusReport {
  const { jailkit, kernel, landlock, filters, openssh, logins } = facts;
  const { users, logSockets } = numbers;
  return {
    version: 1,
    tool: "jailkit status",
    versions: {
      jailkit,
      kernel: jsonTextOrNull(kernel),
      landlock,
      seccomp: filters,
      openssh: jsonTextOrNull(openssh),
    },
    logins: logins.map(({ program, held, reason }) => ({
      program: jsonText(program),
      privilege: held === true,
      reason: jsonText(reason),
    })),
    jails: numbers.jails ?? null,
    users: { ...users, more: jsonTextOrNull(users.more) },
    processes: {
      outside: facts.outside.found.reduce((sum, { pids }) => sum + pids.length, 0),
      more: jsonTextOrNull(facts.outside.more),
    },
    mounts: numbers.mounts,
    logSockets: { ...logSockets, configured: logSockets.configured ?? null },
    requested: spanReport(numbers.requested),
    changed: spanReport(numbers.written),
    configuration: numbers.config,
    declarations: facts.isMainUsed ? (facts.declarations ?? 0) + 1 : (facts.declarations ?? null),
    findings: findings.map(({ kind, subject, message, otherwise, commands }) => ({
      kind,
      subject: jsonText(subject),
      message: jsonText(otherwise === undefined ? message : `${message}; ${otherwise}`),
      command: jsonText(commands[0]),
    })),
    exitStatus: findings.length === 0 ? 0 : 1,
  };
}
