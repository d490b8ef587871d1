/** The report of jailkit config check. */
import * as z from "zod";
import { keysOf, reportSchema, textOrNull, texts } from "../cli/report-schema.ts";
import { FINDING_CODES } from "../config/finding-codes.ts";

const configFindingSchema = z.strictObject({
  file: z.string(),
  line: z.int().describe("From 1 on."),
  column: z.int().describe("In bytes, from 1 on."),
  severity: z.enum(["error", "warning"]),
  code: keysOf(FINDING_CODES),
  message: z.string(),
  remedy: textOrNull.describe(
    "A command, or the text for a line of the file; null if only the administrator can know what is meant.",
  ),
});

export const configReportSchema = reportSchema("jailkit config", {
  files: texts.describe("The files that were read, drop-ins included."),
  findings: z.array(configFindingSchema),
  failures: texts.describe("Files that could not be read or checked, and why."),
}).describe("Problems in the configuration files.");

/** The report of `jailkit config check --json`. */
export type ConfigReport = z.infer<typeof configReportSchema>;
