/** The reports of jailkit explain. */
import * as z from "zod";
import { enumOf, reportSchema, textOrNull, texts } from "../cli/report-schema.ts";
import type { CheckOutcome } from "../enter/checks.ts";

const integerOrNull = z.int().nullable();

const stepSchema = z.strictObject({
  stage: z
    .enum([
      "account",
      "sshd",
      "pam",
      "limits",
      "jobs",
      "jk_chrootsh",
      "jk_lsh",
      "jk_chrootlaunch",
      "jk_procmailwrapper",
      "jk_uchroot",
    ])
    .describe("The program or part of a login that it belongs to."),
  name: z.string(),
  outcome: enumOf<CheckOutcome>({ passed: true, warned: true, failed: true, skipped: true, unknown: true }),
  message: z.string(),
  remedy: textOrNull.describe(
    "A command, or lines for a file; null if the message says it, or only the administrator can know.",
  ),
  exitStatus: integerOrNull.describe("The exit status of the program of the stage."),
});

export const explainReportSchema = reportSchema("jailkit explain", {
  about: z.enum(["login", "jk_uchroot", "jk_procmailwrapper", "jk_chrootlaunch"]),
  user: z.string(),
  uid: integerOrNull,
  verdict: z
    .enum(["works", "refused", "unknown", "not-jailed"])
    .describe(
      '"works": it would succeed. "refused": it would not. "unknown": it may fail, which depends on something unknown. "not-jailed": it would succeed, outside of any jail.',
    ),
  exitStatus: integerOrNull.describe("The exit status of a refused login."),
  loginShell: textOrNull,
  jail: textOrNull,
  home: textOrNull,
  chrootshSection: textOrNull.describe("The section of jk_chrootsh.ini that applies."),
  lshSection: textOrNull.describe("The section of jk_lsh.ini that applies."),
  uchrootSection: textOrNull.describe("The section of jk_uchroot.ini that applies."),
  shell: textOrNull.describe("The shell in the jail."),
  internalShell: z.boolean().describe("The shell is the one inside jk_chrootsh."),
  keptVariables: texts.describe("Names of variables that are kept if the session has them."),
  command: z
    .strictObject({ path: z.string(), argv: texts, environment: texts, umask: textOrNull })
    .nullable()
    .describe("The program that the login ends in."),
  steps: z.array(stepSchema),
});

export const idReportSchema = reportSchema("jailkit explain", {
  about: z.literal("error-id"),
  id: z.string(),
  refusals: z.array(
    z.strictObject({
      source: z.string(),
      when: z.string(),
      program: z.string(),
      pid: integerOrNull,
      uid: integerOrNull,
      user: textOrNull,
      check: textOrNull,
      reason: z.string(),
      doubt: textOrNull.describe("Why the line of the log may be forged."),
    }),
  ),
  unread: texts.describe("Logs that could not be read, a printable line each."),
  now: z
    .strictObject({ refused: z.boolean().nullable(), message: z.string(), remedy: textOrNull })
    .nullable()
    .describe("Whether the same would be refused now; null if no log has the id."),
});

export const explainReportsSchema = z
  .union([explainReportSchema, idReportSchema])
  .describe(
    "The outcome of a login, of a call of jk_uchroot or jk_chrootlaunch, or of a delivery of mail; for an error id, the refusals in the logs.",
  );

/** The report of `jailkit explain --json`, and that of an error id. */
export type ExplainReport = z.infer<typeof explainReportSchema>;
export type StepReport = z.infer<typeof stepSchema>;
export type IdReport = z.infer<typeof idReportSchema>;
