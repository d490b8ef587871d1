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
  remedy: textOrNull,
  exitStatus: integerOrNull.describe("What the program of the stage would exit with."),
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
  exitStatus: integerOrNull.describe("What a refused login exits with."),
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
    .strictObject({ refused: z.boolean().nullable(), message: z.string(), remedy: z.string() })
    .nullable()
    .describe("Whether what was refused then would be refused now; null where no log has the id."),
});

export const explainReportsSchema = z
  .union([explainReportSchema, idReportSchema])
  .describe(
    "What a login, a call of jk_uchroot or jk_chrootlaunch, or a delivery of mail would do; or, of an error id, what the logs have of it.",
  );

/** What `jailkit explain --json` prints, and the same of an error id. */
export type ExplainReport = z.infer<typeof explainReportSchema>;
export type StepReport = z.infer<typeof stepSchema>;
export type IdReport = z.infer<typeof idReportSchema>;
