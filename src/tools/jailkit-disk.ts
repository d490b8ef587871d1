import type { ByteString } from "../../ffi/bytes.ts";
import { display, jsonText } from "../cli/display.ts";
import { problemFrom } from "../cli/error.ts";
import { jailsOption } from "../cli/options.ts";
import { printError, printJson, printLine } from "../cli/output.ts";
import { problemReport } from "../cli/report.ts";
import { requireRoot } from "../cli/root.ts";
import { startTool } from "../cli/start.ts";
import { defineTool } from "../cli/tool.ts";
import { jailedUsers } from "../jail/accounts/jailed-users.ts";
import { closeJailRoot } from "../jail/fs/walk.ts";
import { openNamedJail } from "../jail/record/named-jail.ts";
import { addUp, collectInodes, type DiskUse, newLedger } from "../jails/disk.ts";
import { knownJailPaths } from "../jails/jails.ts";
import { type Owner, ownerCounter, ownerName, ownerReport } from "../jails/owners.ts";
import type { DiskReport } from "../jails/report-schema.ts";
import { absolutePath } from "../populate/file-system.ts";

const NAME = "jailkit disk";

interface Measured {
  readonly path: ByteString;
  readonly use: DiskUse;
  readonly owners: readonly Owner[];
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** A number of bytes for people. */
function inUnits(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

function rowOf(name: string, { allocated, linked, shared, own, users }: Omit<DiskUse, "mounts" | "unread">) {
  return [name, ...[allocated, linked, shared, own, users].map(inUnits)];
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  "),
  );
}

/** What each user has in the jails, by name as the name services of the host know it. */
function ownerRows(measured: readonly Measured[]): string[][] {
  return measured.flatMap(({ path, owners }) =>
    owners.map((owner) => [display(path), ownerName(owner), String(owner.objects), inUnits(owner.bytes)]),
  );
}

function useJson({ mounts, ...use }: DiskUse) {
  return { ...use, mounts: mounts.map(jsonText) };
}

/** `jailkit disk`: what jails really cost. */
export const tool = defineTool({
  name: NAME,
  summary: "show how much disk space jails use",
  synopsis: ["[-u] [--json] [JAIL...]"],
  options: {
    jail: jailsOption("measure this jail only, as if it were an operand; may be repeated"),
    users: { short: "u", description: "show what each user has in them, too" },
    json: { description: "print one JSON object, with all numbers in bytes" },
  },
  exitStatus: {
    0: "the numbers are printed",
    1: "a jail could not be measured, or the options are wrong",
    5: "not run as root",
  },
  notes: `Without an operand all jails are measured that 'jailkit list' lists. TOTAL is what a jail takes; LINKED of it are hard links of files outside the jail, SHARED pieces of the disk that other files have too (reflinks), and OWN is what would be free if the jail were removed. USERS of that belongs to others than root. In the last line, what several jails share is counted once.

Some file systems, such as tmpfs, do not tell which pieces are shared; that is said.`,
  run({ options, operands }) {
    requireRoot();
    const named = [...options.jail, ...operands];
    const paths = named.length > 0 ? named.map(absolutePath) : knownJailPaths(jailedUsers());
    const measured: Measured[] = [];
    const problems: ReturnType<typeof problemFrom>[] = [];
    const ledger = newLedger();
    const sum = {
      files: 0,
      directories: 0,
      apparent: 0,
      allocated: 0,
      linked: 0,
      shared: 0,
      own: 0,
      users: 0,
    };
    let sharingKnown = true;
    for (const path of paths) {
      try {
        const root = openNamedJail(path);
        try {
          const counter = ownerCounter();
          const { inodes, mounts, unread } = collectInodes(root, counter.add);
          const use = { ...addUp(inodes, newLedger()), mounts, unread };
          measured.push({ path, use, owners: counter.owners() });
          const share = addUp(inodes, ledger);
          for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += share[key];
          sharingKnown &&= share.sharingKnown;
        } finally {
          closeJailRoot(root);
        }
      } catch (error) {
        const problem = problemFrom(error, "unreadable", path);
        problems.push(problem);
        if (!options.json) printError(`${NAME}: ${problem.message}`);
      }
    }
    const exitStatus = problems.length === 0 ? 0 : 1;
    if (options.json) {
      printJson({
        version: 1,
        tool: NAME,
        jails: measured.map(({ path, use, owners }) => ({
          path: jsonText(path),
          ...useJson(use),
          owners: owners.map(ownerReport),
        })),
        total: { ...sum, sharingKnown },
        problems: problems.map(problemReport),
        exitStatus,
      } satisfies DiskReport);
      return exitStatus;
    }
    const rows = measured.map(({ path, use }) => rowOf(display(path), use));
    const heading = ["JAIL", "TOTAL", "LINKED", "SHARED", "OWN", "USERS"];
    const total = measured.length > 1 ? [rowOf("all", { ...sum, sharingKnown })] : [];
    if (rows.length > 0) for (const line of table([heading, ...rows, ...total])) printLine(line);
    else if (problems.length === 0) printLine("No jail is known");
    const users = options.users ? ownerRows(measured) : [];
    if (users.length > 0)
      for (const line of table([["JAIL", "USER", "OBJECTS", "TOTAL"], ...users])) printLine(line);
    for (const { path, use } of measured) {
      if (!use.sharingKnown)
        printError(`${NAME}: ${display(path)}: its file system does not tell which pieces are shared`);
      for (const mount of use.mounts)
        printError(`${NAME}: ${display(path + mount)} is another file system, and is not counted`);
    }
    return exitStatus;
  },
});

if (import.meta.main) await startTool(tool);
