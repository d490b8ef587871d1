import type { Level, Rule } from "../../src/check/rules.ts";
import type { Machine } from "../machine/machine.ts";

/** A finding as --json has it. */
export interface Found {
  rule: Rule;
  level: Level;
  path: string;
  message: string;
  reason?: string;
  remedy?: string;
  fixed?: boolean;
}

interface Jail {
  path: string;
  record: string | null;
  sections: string[];
  counts: { objects: number; compared: number; known: number } | null;
  findings: Found[];
  problems: { message: string }[];
  tests: { sections: string[]; shows: string; outcome: string }[];
}

/** What `jk_check --json` finds, and how it ends. */
export function check(m: Machine, ...args: string[]) {
  const { status, stdout, stderr } = m.run(["jk_check", "--json", ...args]);
  if (stdout === "") throw new Error(stderr);
  const report = JSON.parse(Buffer.from(stdout, "latin1").toString("utf8"));
  const jails: Jail[] = report.jails;
  const found: Found[] = [...report.host.findings, ...jails.flatMap((jail) => jail.findings)];
  return { status, stdout, jails, found };
}

/** "RULE PATH" of each. */
export const summary = (found: readonly Found[]): string[] =>
  found.map(({ rule, path }) => `${rule} ${path}`);

let jails = 0;

/** The path of a jail that is not there yet. */
export const fresh = (): string => `/srv/jail${++jails}`;
