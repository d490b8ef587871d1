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
    "A command, or the text for a line of the file; null where only the administrator can know what is meant.",
  ),
});

export const configReportSchema = reportSchema("jailkit config", {
  files: texts.describe("Those that were read, drop-ins included."),
  findings: z.array(configFindingSchema),
  failures: texts.describe("What could not be read, and why."),
}).describe("What is wrong with the configuration files.");

/** What `jailkit config check --json` prints. */
export type ConfigReport = z.infer<typeof configReportSchema>;
