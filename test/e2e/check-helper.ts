import { checkReportSchema, type FindingReport } from "../../src/check/report/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

/** What `jk_check --json` finds, and how it ends. */
export function check(m: Machine, ...args: string[]) {
  const { status, stdout, stderr } = m.run(["jk_check", "--json", ...args]);
  if (stdout === "") throw new Error(stderr);
  const { host, jails } = reportOf(checkReportSchema, stdout);
  const found = [...host.findings, ...jails.flatMap((jail) => jail.findings)];
  return { status, stdout, jails, found };
}

/** "RULE PATH" of each. */
export const summary = (found: readonly FindingReport[]): string[] =>
  found.map(({ rule, path }) => `${rule} ${path}`);

let jails = 0;

/** The path of a jail that is not there yet. */
export const fresh = (): string => `/srv/jail${++jails}`;
