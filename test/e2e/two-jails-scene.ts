import { expect } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf } from "./apply-scene.ts";

// What tests of files that come back from a backup declare: two jails, in which users are renamed and moved.

export const [J, K] = ["/srv/one", "/srv/two"] as const;
export const FILE = "/etc/jailkit/jails.d/one.ini";
export const jail = (path: string) => `[jail ${path}]\nsections = uidbasics, basicshell\n`;
export const JAILS = jail(J) + jail(K);
export const user = (name: string, path: string, more = "") =>
  `[user ${name}]\njail = ${path}\nshell = /bin/bash\n${more}`;

/** The options of runs, of which the one that may take most comes last. */
export const RUNS = [
  ["--check", "--prune", "--delete-homes"],
  ["--check"],
  [],
  ["--prune"],
  ["--prune", "--delete-homes"],
];

/** Runs twice, since what the first run has seen is known to the second one; expects that nothing is wrong. */
export function settle(m: Machine, ...options: readonly string[]): void {
  for (let run = 0; run < 2; run++)
    expect(linesOf(m, ...options)).toMatchObject({ status: 0, summary: { problems: [] } });
}
