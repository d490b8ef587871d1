import type { ByteString } from "../../ffi/bytes.ts";
import { jsonText } from "./display.ts";
import type { Remedy } from "./remedy.ts";
import type { ProblemReport } from "./report-schema.ts";

/** A byte string in a report; null where there is none. */
export const jsonTextOrNull = (value: ByteString | undefined): string | null =>
  value === undefined ? null : jsonText(value);

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
  remedy: jsonTextOrNull(remedy || undefined),
});

/** A problem of a report, as it was before. */
export const reportedProblem = ({ remedy, ...problem }: ProblemReport) => ({
  ...problem,
  remedy: (remedy ?? undefined) as Remedy | undefined,
});
