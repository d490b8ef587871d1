import type { ByteString } from "../../ffi/bytes.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { display, jsonText } from "../cli/display.ts";
import { problemFrom } from "../cli/error.ts";
import { jailsOption } from "../cli/options.ts";
import { printError, printLine } from "../cli/output.ts";
import { problemReport } from "../cli/report.ts";
import { table } from "../cli/table.ts";
import { defineTool } from "../cli/tool.ts";
import { jailedUsers } from "../jail/accounts/jailed-users.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { openManifest } from "../jail/record/manifest.ts";
import { openNamedJail } from "../jail/record/named-jail.ts";
import { RecordError } from "../jail/record/record-file.ts";
import { addUp, type DiskUse, newLedger } from "../jails/disk.ts";
import { collectingBadFiles, namedOrKnown } from "../jails/known.ts";
import { collectOwners, type Owner, ownerName, ownerReport } from "../jails/owners.ts";
import type { DiskReport } from "../jails/report-schema.ts";

const NAME = "jailkit disk";

interface MeasuredJail {
  readonly path: ByteString;
  readonly use: DiskUse;
  readonly owners: readonly Owner[];
}

/** Why the record of a jail cannot be used; the jail can be measured without. */
function recordDamage(root: JailRoot): ReturnType<typeof problemFrom> | undefined {
  try {
    openManifest(root);
    return undefined;
  } catch (error) {
    return problemFrom(error, "record", error instanceof RecordError ? error.file : root.path);
  }
}

/** The disk space of jails, and the total, in which what several of them share is counted once. */
function measure(paths: readonly ByteString[]) {
  const jails: MeasuredJail[] = [];
  const problems: ReturnType<typeof problemFrom>[] = [];
  const ledger = newLedger();
  const sum = { files: 0, directories: 0, apparent: 0, allocated: 0, linked: 0, shared: 0, own: 0, users: 0 };
  let sharingKnown = true;
  for (const path of paths) {
    try {
      using root = openNamedJail(path);
      const damage = recordDamage(root);
      if (damage !== undefined) problems.push(damage);
      const { inodes, owners, mounts, unread } = collectOwners(root);
      jails.push({ path, use: { ...addUp(inodes, newLedger()), mounts, unread }, owners });
      const share = addUp(inodes, ledger);
      for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += share[key];
      sharingKnown &&= share.sharingKnown;
    } catch (error) {
      problems.push(problemFrom(error, "unreadable", path));
    }
  }
  return { jails, total: { ...sum, sharingKnown }, problems };
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** A number of bytes with a unit. */
function inUnits(bytes: number): string {
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

const rowOf = (name: string, { allocated, linked, shared, own, users }: DiskReport["total"]) => [
  name,
  ...[allocated, linked, shared, own, users].map(inUnits),
];

/** A row for each user, with the names that the name services of the host know. */
const ownerRows = ({ path, owners }: MeasuredJail) =>
  owners.map((owner) => [display(path), ownerName(owner), String(owner.objects), inUnits(owner.bytes)]);

function printTables({ jails, total, problems }: ReturnType<typeof measure>, users: boolean): void {
  for (const { message } of problems) printError(`${NAME}: ${message}`);
  const rows = jails.map(({ path, use }) => rowOf(display(path), use));
  const heading = ["JAIL", "TOTAL", "LINKED", "SHARED", "OWN", "USERS"];
  const all = jails.length > 1 ? [rowOf("all", total)] : [];
  if (rows.length > 0) table([heading, ...rows, ...all], 1).forEach(printLine);
  else if (problems.length === 0) printLine("No jail is known");
  const owners = users ? jails.flatMap(ownerRows) : [];
  if (owners.length > 0) table([["JAIL", "USER", "OBJECTS", "TOTAL"], ...owners], 1).forEach(printLine);
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
    users: { short: "u", description: "also show the disk space of each user" },
    json: { description: "print one JSON object, with all numbers in bytes" },
  },
  exitStatus: {
    0: "the numbers were printed",
    1: "a jail could not be measured, a record is damaged, or the options are wrong",
  },
  notes: `Without an operand it measures all jails that 'jailkit list' shows. TOTAL is the size of a jail on disk. Of that, LINKED are hard links of files outside the jail, SHARED are extents that other files have too (reflinks), and OWN is the space that would be free without the jail. USERS is the part of OWN that belongs to users other than root. The last line counts once what several jails share.

Some file systems, such as tmpfs, do not report which extents are shared; a message says so.`,
  root: 5,
  run({ options, operands }) {
    const named = [...options.jail, ...operands];
    const { badFile, problems: ofFiles } = collectingBadFiles();
    const { paths, damaged } = namedOrKnown(named.map(absolutePath), jailedUsers(), badFile);
    const measured = measure(paths);
    const { jails, total, problems } = measured;
    problems.push(...ofFiles.values());
    const reported = new Set(problems.map((problem) => problem.path));
    for (const { error } of damaged)
      if (!reported.has(error.file)) problems.push(problemFrom(error, error.code, error.file));
    const exitStatus = problems.length === 0 ? 0 : 1;
    return {
      exitStatus,
      report: (): DiskReport => ({
        version: 1,
        tool: NAME,
        jails: jails.map(({ path, use: { mounts, ...use }, owners }) => ({
          path: jsonText(path),
          ...use,
          mounts: mounts.map(jsonText),
          owners: owners.map(ownerReport),
        })),
        total,
        problems: problems.map(problemReport),
        exitStatus,
      }),
      print: () => printTables(measured, options.users),
    };
  },
});
