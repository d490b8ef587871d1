/** The reports of jk_addjailuser, jk_jailuser and jailkit terminate-user. */
import * as z from "zod";
import {
  count,
  problemSchema,
  reportSchema,
  successOrFailure,
  textOrNull,
  texts,
} from "../cli/report-schema.ts";

const missingSchema = z
  .strictObject({
    code: z.enum(["password-or-key", "policy"]),
    message: z.string(),
    remedies: texts.describe("Commands, each of which will do; FILE stands for a file of public keys."),
  })
  .meta({ id: "missing" });

/** A step that an account still needs before it can log in and run something. */
export type MissingReport = z.infer<typeof missingSchema>;

export const newUserReportSchema = reportSchema("jk_addjailuser", {
  dryRun: z.boolean(),
  jail: z.string(),
  user: z.string(),
  home: z.string().describe("As /etc/passwd has it."),
  shell: z.string().describe("Its shell in the jail."),
  groups: texts.describe("Its groups, the primary one first."),
  access: texts.describe("What --authorized-key and --policy did or would do, a printable line each."),
  warnings: texts.describe("Printable lines, as on standard error."),
  missing: z
    .array(missingSchema)
    .describe("What it lacks before it can log in and run something, as on standard error."),
}).describe(
  "The account that was created. If it could not be created, there is no JSON, and the message is on standard error.",
);

/** What `jk_addjailuser --json` prints. */
export type NewUserReport = z.infer<typeof newUserReportSchema>;

/** What a directory should say about an account. */
export const directorySchema = z
  .strictObject({
    homeDirectory: textOrNull.describe("null if the directory is right already."),
    loginShell: textOrNull,
    file: textOrNull.describe(
      "The file in which the line of the account gets them as its last two fields, such as /var/lib/extrausers/passwd; null for a directory.",
    ),
    ldif: texts.describe(
      "The change for ldapmodify(1), line by line; the first line lacks the DN of the account. Empty with `file`.",
    ),
    override: textOrNull.describe(
      "A command that does the same with SSSD, for this machine alone; null without sss_override(8).",
    ),
    before: texts.describe("Commands to run on this machine before the change."),
    after: texts.describe("Commands to run on this machine after it."),
    warnings: texts.describe("What the directory will probably refuse, and the remedy."),
  })
  .meta({ id: "directory" });

/** A change that must be made in a directory. */
export type DirectoryReport = z.infer<typeof directorySchema>;

const jailedUserSchema = z
  .strictObject({
    user: z.string(),
    status: z
      .enum(["done", "unchanged", "planned", "refused", "not-done", "failed"])
      .describe('"not-done": another account was refused, or a signal came before its turn.'),
    home: textOrNull.describe("The home that the account has, or would have."),
    shell: textOrNull.describe("Likewise its shell on the host."),
    steps: texts.describe("What was or would be done, a printable line each."),
    warnings: texts,
    error: textOrNull.describe("Why it was refused or failed."),
    directory: directorySchema
      .nullable()
      .describe("For an account that is not in /etc/passwd: what to set in its directory (LDAP)."),
  })
  .meta({ id: "user" });

export const jailUserReportSchema = reportSchema("jk_jailuser", {
  dryRun: z.boolean(),
  jail: textOrNull.describe("null with --unjail."),
  users: z.array(jailedUserSchema),
}).describe("What was done with each account.");

/** What `jk_jailuser --json` prints. */
export type JailUserReport = z.infer<typeof jailUserReportSchema>;
export type JailedUserReport = z.infer<typeof jailedUserSchema>;

export const terminateReportSchema = reportSchema("jailkit terminate-user", {
  dryRun: z.boolean(),
  users: z.array(
    z.strictObject({
      user: z.string().describe("As it was given: a name, or a uid."),
      uid: count,
      pids: z
        .array(count)
        .describe(
          "Its processes, and those of sshd for connections without a session, that were or would be ended.",
        ),
      removed: texts.describe(
        "What was or would be removed that the kernel had of a uid of no account, a line each.",
      ),
    }),
  ),
  problems: z.array(problemSchema),
  exitStatus: successOrFailure,
}).describe("Whose processes were ended.");

/** What `jailkit terminate-user --json` prints. */
export type TerminateReport = z.infer<typeof terminateReportSchema>;
