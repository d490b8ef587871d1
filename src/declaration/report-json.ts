import type { ByteString } from "../../ffi/bytes.ts";
import { jsonText } from "../cli/display.ts";
import type { Remedy } from "../cli/remedy.ts";
import { jsonTextOrNull, problemReport } from "../cli/report.ts";
import type { FindingCode } from "../config/finding-codes.ts";
import type { Place } from "../config/model.ts";
import { type DirectoryChange, directoryReport, withFile } from "../users/directory.ts";
import type { Ended } from "./carry-out/report.ts";
import { type Change, type Fault, type FaultText, nameOf, planLine } from "./change.ts";
import type { UserWork } from "./compare/work.ts";
import { ONCE_FILE } from "./once.ts";
import { APPLY } from "./report-failed.ts";
import type { ApplyChange } from "./report-schema.ts";

const textOf = (text: string | undefined) => (text === undefined ? null : jsonText(text));

/** The line of a change in a report. */
export const changeReport = (
  change: Change,
  ended: Omit<Ended, "change" | "status"> & { status: Ended["status"] | "planned" },
) =>
  ({
    version: 1,
    tool: APPLY,
    change: {
      ...{ action: change.action, of: change.of, name: jsonText(change.name), jail: jsonText(change.jail) },
      ...{ what: change.what, from: textOf(change.from), to: textOf(change.to), why: jsonText(change.why) },
      ...{ items: change.items.map(jsonText), text: jsonText(planLine(change)), status: ended.status },
      waits: textOf(ended.waits),
      steps: ended.steps.map(jsonText),
      warnings: ended.warnings.map(jsonText),
      errors: ended.errors.map(({ message }) => jsonText(message)),
    },
  }) satisfies ApplyChange;

/** What `jailkit config check` says of a place of a declaration. */
export type AskFinding = (
  place: Place,
) => { readonly code: FindingCode; readonly remedy: Remedy | undefined } | undefined;

/** A problem of the summary. `place`: where what it is about is declared; `finding`: what is wrong there. */
const applyProblem = (
  { code, message, remedy, cause }: FaultText,
  path: ByteString,
  place?: Place,
  finding?: FindingCode,
) => ({
  ...problemReport({ code, path, message, remedy }),
  file: jsonTextOrNull(place?.file),
  line: place?.line ?? null,
  column: place?.column ?? null,
  finding: finding ?? null,
  waitsFor: jsonTextOrNull(cause?.jail),
});

/** The problems of the summary: faults, with where they are declared, and why what is declared cannot be kept. */
export const problemReports = (
  faults: readonly (Fault & { readonly at: Place | undefined })[],
  unkept: FaultText | undefined,
  findingAt?: AskFinding,
) => [
  ...faults.map((fault) => {
    const { name, at, message, cause } = fault;
    const finding = at && findingAt?.(at);
    const { remedy = cause === undefined ? finding?.remedy : undefined } = fault;
    const told = { ...fault, message: `${nameOf(fault)}: ${message}`, remedy };
    return applyProblem(told, name, at, finding?.code);
  }),
  ...(unkept === undefined ? [] : [applyProblem(unkept, ONCE_FILE)]),
];

/** What a directory should say otherwise of a user. */
export const directoryChanges = ({ declared: { name }, directory }: UserWork): DirectoryChange[] =>
  directory === undefined
    ? []
    : [withFile({ name, change: directory, before: [], after: [], leaves: false })];

/** What the directory of an account should have. */
export const directoryOfUser = (change: DirectoryChange) => ({
  user: jsonText(change.name),
  attributes: directoryReport(change),
});
