import type { ByteString } from "../../ffi/bytes.ts";
import { jsonText } from "./display.ts";
import type { ProblemReport } from "./report-schema.ts";

/** A byte string in a report; null where there is none. */
export const jsonTextOrNull = (value: ByteString | undefined): string | null =>
  value === undefined ? null : jsonText(value);

/** A problem in a report. */
export const problemReport = ({ code, path, message }: ProblemReport): ProblemReport => ({
  code,
  path: jsonText(path),
  message: jsonText(message),
});
