import type { ByteString } from "../../ffi/bytes.ts";
import type { Stat } from "../../ffi/files.ts";
import { jsonText } from "../cli/display.ts";
import { octal } from "../cli/octal.ts";
import { problemReport } from "../cli/report.ts";
import { isDirectory, isLink } from "../jail/fs/walk.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import type { Extra } from "./extras.ts";
import type { Change, Kept, Removal } from "./plan/compare.ts";
import type { ChangeReport, KeptReport, UpdatedJailReport } from "./report-schema.ts";

/** The result for one jail. */
export interface UpdateOutcome {
  /** On the host, normalised. */
  readonly jail: ByteString;
  /** The id of its record; undefined if it has none. */
  readonly record: ByteString | undefined;
  /** An earlier run was interrupted. */
  readonly resumed: boolean;
  /** The planned changes. */
  readonly changes: readonly Change[];
  readonly removals: readonly Removal[];
  readonly extras: readonly Extra[];
  /** The paths of `changes` and `removals` that were done; none in a dry run. */
  readonly done: ReadonlySet<ByteString>;
  readonly kept: readonly Kept[];
  readonly skipped: readonly ByteString[];
  readonly warnings: readonly string[];
  readonly problems: readonly PopulateProblem[];
  /** The jail is known, but its directory is missing. */
  readonly gone?: boolean;
  /** The jail is recorded, but somebody removed its contents, and it stays so. */
  readonly emptied?: boolean;
  /** The jail has programs and no record, and its programs were not looked at. */
  readonly unrecorded?: boolean;
}

/** The result for a jail that could not be updated, or is missing. */
export function untouched(jail: ByteString, known: Partial<UpdateOutcome>): UpdateOutcome {
  const nothing = { changes: [], removals: [], extras: [], kept: [], skipped: [] };
  const messages = { warnings: [], problems: [] };
  return { jail, record: undefined, resumed: false, done: new Set(), ...nothing, ...messages, ...known };
}

/** True if a jail is not up to date. */
export function hasWork({ changes, removals, extras, resumed }: UpdateOutcome): boolean {
  return changes.length + removals.length + extras.length > 0 || resumed;
}

function changeReport({ action, entry }: Change, done: boolean): ChangeReport {
  const { type, path, source, target } = entry;
  const report: ChangeReport = { action, type, path: jsonText(path), done };
  if (source !== undefined) report.source = jsonText(source);
  if (target !== undefined) report.target = jsonText(target);
  if (type !== "symlink") Object.assign(report, { mode: octal(entry.mode), uid: entry.uid, gid: entry.gid });
  report.why = entry.because.map(({ section }) => jsonText(section));
  return report;
}

/** A path that stays, in a report. */
export const keptReport = ({ path, reason }: Kept): KeptReport => ({ path: jsonText(path), reason });

/** The report of one jail. */
export function jailReport(outcome: UpdateOutcome, dryRun: boolean): UpdatedJailReport {
  const { changes, removals, done } = outcome;
  const state = () => {
    if (outcome.gone === true) return "gone";
    if (outcome.emptied === true) return "emptied";
    if (outcome.problems.length > 0) return "failed";
    if (!hasWork(outcome)) return "up-to-date";
    return dryRun ? "pending" : "updated";
  };
  return {
    jail: jsonText(outcome.jail),
    record: outcome.record ?? null,
    state: state(),
    changes: [
      ...changes.map((change) => changeReport(change, done.has(change.entry.path))),
      ...removals.map(
        ({ path, type, reason }): ChangeReport => ({
          action: "remove",
          type,
          path: jsonText(path),
          done: done.has(path),
          ...(reason === undefined ? {} : { reason }),
        }),
      ),
    ],
    extras: outcome.extras.map(({ kind }) => kind),
    kept: outcome.kept.map(keptReport),
    skipped: outcome.skipped.map(jsonText),
    warnings: outcome.warnings.map(jsonText),
    problems: outcome.problems.map(problemReport),
  };
}

/** The line about a change, in the words of jailkit 2. It may contain unescaped text from outside. */
export function changeLine(
  jail: ByteString,
  { action, entry, existing }: Change,
  dryRun: boolean,
): ByteString {
  const to = jail + entry.path;
  const kind = entry.type === "symlink" ? "link" : entry.type;
  // The old file is of another type.
  const what = action === "exchange" && existing !== undefined ? kindOf(existing.stat) : kind;
  if (action === "attributes") return `${dryRun ? "will change" : "changing"} mode, owner or time of ${to}`;
  if (dryRun && action === "create") return `will add ${kind} ${to}`;
  return `${dryRun ? "will update" : "removing"} outdated ${what} ${to}`;
}

/** The line about a removal. It may contain unescaped text from outside. */
export function removalLine(jail: ByteString, { path, type, reason }: Removal, dryRun: boolean): ByteString {
  if (reason !== undefined) return `${dryRun ? "will remove" : "removing"} ${jail}${path}, ${reason}`;
  const what = type === "directory" ? "directory" : "file";
  return `${dryRun ? "will remove" : "removing"} deprecated ${what} ${jail}${path}`;
}

const kindOf = (stat: Stat) => (isDirectory(stat) ? "directory" : isLink(stat) ? "link" : "file");
