/** The report of jk_check. */
import * as z from "zod";
import { BUSY } from "../../cli/options.ts";
import {
  count,
  interruptible,
  keysOf,
  problemSchema,
  reportSchema,
  textOrNull,
  texts,
} from "../../cli/report-schema.ts";
import { LEVELS, RULES, SUBJECTS } from "../rules.ts";

const findingSchema = z
  .strictObject({
    rule: keysOf(RULES).describe("The stable name of the kind of finding."),
    level: z.enum(LEVELS),
    subject: z.enum(SUBJECTS),
    path: z.string().describe("On the host. Bytes that are not UTF-8 are U+DC80 to U+DCFF."),
    message: z.string().describe("One printable line."),
    reason: z.string().optional().describe("Why it is an error, if the message is a warning of jailkit 2."),
    remedy: z
      .string()
      .optional()
      .describe(
        "The command or config lines that fix it; missing if the message says it, or you have to decide.",
      ),
    otherwise: z.string().optional().describe("What else may be done, and when."),
    fixed: z.boolean().optional().describe("--fix fixed it."),
  })
  .meta({ id: "finding", description: "An error or a danger." });

const checkProblemSchema = z
  .strictObject({
    ...problemSchema.shape,
    line: z.int().optional().describe("The line of the configuration file, from 1 on."),
    column: z.int().optional().describe("In bytes, from 1 on."),
  })
  .meta({ id: "problem", description: "A check that failed." });

const countsSchema = z.strictObject({
  objects: count.describe("Files, directories, symbolic links and devices that were checked."),
  compared: count.describe("Files whose contents were read and compared with the host's."),
  known: count.describe("Files that an earlier check found the same, unchanged since."),
  bytes: count.describe("The size of those that were compared."),
});

const fixesSchema = z.array(z.strictObject({ done: z.boolean(), path: z.string(), message: z.string() }));

const checkedJailSchema = z
  .strictObject({
    path: z.string(),
    record: textOrNull.describe("The id of its manifest below /var/lib/jailkit/jails; null if it has none."),
    sections: texts.describe("The sections of jk_init.ini that were requested for the jail."),
    counts: countsSchema.nullable(),
    findings: z.array(findingSchema),
    problems: z.array(checkProblemSchema),
    fixes: fixesSchema,
    tests: z.array(
      z.strictObject({
        sections: texts,
        shows: z.string(),
        outcome: z.enum(["passed", "failed", "skipped"]),
        reason: z.string().optional(),
      }),
    ),
  })
  .meta({ id: "jail" });

const hostSchema = z.strictObject({
  findings: z.array(findingSchema),
  problems: z.array(checkProblemSchema),
  warnings: texts,
  fixes: fixesSchema,
});

const exitStatus = interruptible(0, 1, 2, BUSY).describe(
  "0: no findings; 1: findings; 2: something could not be checked; 75: with --fix --no-wait, another tool works on a jail; 128 + N: signal N ended it.",
);

export const checkReportSchema = reportSchema("jk_check", {
  host: hostSchema,
  jails: z.array(checkedJailSchema),
  exitStatus,
}).describe("What jk_check found.");

/** A line of --json=lines about a jail that is done. */
export const checkLineSchema = reportSchema("jk_check", { jail: checkedJailSchema }).describe(
  "--json=lines: a jail that was checked.",
);

/** The last line of --json=lines. */
export const checkSummarySchema = reportSchema("jk_check", {
  host: hostSchema,
  jails: count.describe("Those that were checked."),
  exitStatus,
}).describe("--json=lines: the last line.");

export type CheckSummary = z.infer<typeof checkSummarySchema>;

/** What `jk_check --json` prints. */
export type CheckReport = z.infer<typeof checkReportSchema>;
export type CheckedJailReport = z.infer<typeof checkedJailSchema>;
export type FindingReport = z.infer<typeof findingSchema>;
export type CheckProblemReport = z.infer<typeof checkProblemSchema>;
