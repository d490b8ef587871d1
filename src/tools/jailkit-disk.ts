import type { ByteString } from "../../ffi/bytes.ts";
import { display, jsonText } from "../cli/display.ts";
import { problemFrom } from "../cli/error.ts";
import { jailsOption } from "../cli/options.ts";
import { printError, printLine } from "../cli/output.ts";
import { problemReport } from "../cli/report.ts";
import { requireRoot } from "../cli/root.ts";
import { startTool } from "../cli/start.ts";
import { table } from "../cli/table.ts";
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

interface MeasuredJail {
  readonly path: ByteString;
  readonly use: DiskUse;
  readonly owners: readonly Owner[];
}

interface Measurement {
  readonly jails: readonly MeasuredJail[];
  /** What several jails share is counted once. */
  readonly total: DiskReport["total"];
  readonly problems: readonly ReturnType<typeof problemFrom>[];
}

function measure(paths: readonly ByteString[]): Measurement {
  const jails: MeasuredJail[] = [];
  const problems: ReturnType<typeof problemFrom>[] = [];
  const ledger = newLedger();
  const sum = { files: 0, directories: 0, apparent: 0, allocated: 0, linked: 0, shared: 0, own: 0, users: 0 };
  let sharingKnown = true;
  for (const path of paths) {
    try {
      const { jail, share } = measureJail(path, ledger);
      jails.push(jail);
      for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += share[key];
      sharingKnown &&= share.sharingKnown;
    } catch (error) {
      problems.push(problemFrom(error, "unreadable", path));
    }
  }
  return { jails, total: { ...sum, sharingKnown }, problems };
}

/** The disk space of a jail, and the part of it that `ledger` does not have yet. */
function measureJail(path: ByteString, ledger: ReturnType<typeof newLedger>) {
  const root = openNamedJail(path);
  try {
    const counter = ownerCounter();
    const { inodes, mounts, unread } = collectInodes(root, counter.add);
    const use = { ...addUp(inodes, newLedger()), mounts, unread };
    return { jail: { path, use, owners: counter.owners() }, share: addUp(inodes, ledger) };
  } finally {
    closeJailRoot(root);
  }
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** A number of bytes with a unit. */
function inUnits(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

type Sizes = Pick<DiskUse, "allocated" | "linked" | "shared" | "own" | "users">;

function rowOf(name: string, { allocated, linked, shared, own, users }: Sizes) {
  return [name, ...[allocated, linked, shared, own, users].map(inUnits)];
}

/** A row for each user in each jail, with the names that the name services of the host know. */
function ownerRows(jails: readonly MeasuredJail[]): string[][] {
  return jails.flatMap(({ path, owners }) =>
    owners.map((owner) => [display(path), ownerName(owner), String(owner.objects), inUnits(owner.bytes)]),
  );
}

function useReport({ mounts, ...use }: DiskUse) {
  return { ...use, mounts: mounts.map(jsonText) };
}

function diskReport(
  { jails, total, problems }: Measurement,
  exitStatus: DiskReport["exitStatus"],
): DiskReport {
  return {
    version: 1,
    tool: NAME,
    jails: jails.map(({ path, use, owners }) => ({
      path: jsonText(path),
      ...useReport(use),
      owners: owners.map(ownerReport),
    })),
    total,
    problems: problems.map(problemReport),
    exitStatus,
  };
}

function printTables({ jails, total, problems }: Measurement, users: boolean): void {
  for (const { message } of problems) printError(`${NAME}: ${message}`);
  const rows = jails.map(({ path, use }) => rowOf(display(path), use));
  const heading = ["JAIL", "TOTAL", "LINKED", "SHARED", "OWN", "USERS"];
  const all = jails.length > 1 ? [rowOf("all", total)] : [];
  if (rows.length > 0) for (const line of table([heading, ...rows, ...all], 1)) printLine(line);
  else if (problems.length === 0) printLine("No jail is known");
  const owners = users ? ownerRows(jails) : [];
  if (owners.length > 0)
    for (const line of table([["JAIL", "USER", "OBJECTS", "TOTAL"], ...owners], 1)) printLine(line);
  for (const { path, use } of jails) {
    if (!use.sharingKnown)
      printError(`${NAME}: ${display(path)}: its file system does not report shared extents`);
    for (const mount of use.mounts)
      printError(`${NAME}: ${display(path + mount)} is another file system, and was not counted`);
  }
}

/** `jailkit disk`: the disk space of jails. */
export const tool = defineTool({
  name: NAME,
  summary: "show how much disk space jails use",
  synopsis: ["[-u] [--json] [JAIL...]"],
  options: {
    jail: jailsOption("measure this jail only, as if it were an operand; may be repeated"),
    users: { short: "u", description: "show also the disk space of each user" },
    json: { description: "print one JSON object, with all numbers in bytes" },
  },
  exitStatus: {
    0: "the numbers were printed",
    1: "a jail could not be measured, or the options are wrong",
    5: "not run as root",
  },
  notes: `Without an operand it measures all jails that 'jailkit list' shows. TOTAL is the size of a jail on disk. Of that, LINKED are hard links of files outside the jail, SHARED are extents that other files have too (reflinks), and OWN is what would be free without the jail. USERS is the part of OWN that belongs to users other than root. The last line counts once what several jails share.

Some file systems, such as tmpfs, do not report which extents are shared; a message says so.`,
  run({ options, operands }) {
    requireRoot();
    const named = [...options.jail, ...operands];
    const paths = named.length > 0 ? named.map(absolutePath) : knownJailPaths(jailedUsers());
    const measured = measure(paths);
    const exitStatus = measured.problems.length === 0 ? 0 : 1;
    return {
      exitStatus,
      report: () => diskReport(measured, exitStatus),
      print: () => printTables(measured, options.users),
    };
  },
});

if (import.meta.main) await startTool(tool);
