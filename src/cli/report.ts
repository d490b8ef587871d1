import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { jsonText } from "./display.ts";
import { type JailkitError, problemFrom } from "./error.ts";
import type { Remedy } from "./remedy.ts";
import type { ErrorReport, ProblemReport } from "./report-schema.ts";

/** A byte string in a report; null where there is none. */
export const jsonTextOrNull = (value: ByteString | undefined): string | null =>
  value === undefined ? null : jsonText(value);

/** A remedy in a report; null where there is none. */
export const remedyText = (remedy: ByteString | undefined): string | null =>
  jsonTextOrNull(remedy || undefined);

/** A problem in a report. */
export const problemReport = ({
  code,
  path,
  message,
  remedy,
}: Omit<ProblemReport, "remedy"> & { remedy?: Remedy | undefined }): ProblemReport => ({
  code,
  path: jsonText(path),
  message: jsonText(message),
  remedy: remedyText(remedy),
});

/** What a tool prints in place of its report, for an error that ended it. `exitStatus`: with which it ends. */
export function errorReport(
  tool: string,
  error: JailkitError | SystemError,
  exitStatus: number,
): ErrorReport {
  const path = error instanceof SystemError ? error.path : error.place?.file;
  return {
    version: 1,
    tool,
    problems: [problemReport(problemFrom(error, "failed", path ?? ""))],
    exitStatus,
  };
}

/** A problem of a report, as it was before. */
export const reportedProblem = ({ remedy, ...problem }: ProblemReport) => ({
  ...problem,
  remedy: (remedy ?? undefined) as Remedy | undefined,
});
