/** The report of jailkit status. */
import * as z from "zod";
import { count, keysOf, reportSchema, successOrFailure, textOrNull } from "../cli/report-schema.ts";
import { jailConditionSchema } from "../jails/report-schema.ts";
import { FINDING_KINDS } from "./kinds.ts";

const momentSchema = z.strictObject({
  jail: z.string(),
  time: z.string().describe("RFC 3339."),
});

const spanSchema = z
  .strictObject({ oldest: momentSchema, newest: momentSchema })
  .nullable()
  .describe("The jail for which it is longest ago, and the one for which it is not; null if there are none.");

export const statusReportSchema = reportSchema("jailkit status", {
  versions: z.strictObject({
    jailkit: z.string(),
    kernel: textOrNull,
    landlock: count.describe("The version of Landlock; 0: the kernel has none."),
    seccomp: z.boolean().describe("The kernel has filters of system calls."),
    openssh: textOrNull.describe("null: there is no sshd, or it does not tell."),
  }),
  logins: z
    .array(
      z.strictObject({
        program: z.string(),
        privilege: z.boolean().describe("It has what it needs to enter a jail."),
        reason: z.string(),
      }),
    )
    .describe("Each jk_chrootsh: the installed one, and those that are login shells."),
  jails: z
    .strictObject({
      total: count,
      byState: z.record(jailConditionSchema, count).describe("As in the report of jailkit list."),
    })
    .nullable()
    .describe("The known jails; null if the records cannot be read, so that jailkit list fails, too."),
  users: z.strictObject({
    total: count,
    fromServices: count.describe("Known to a name service, and not in /etc/passwd."),
    inMissingJails: count.describe("They live in jails that do not exist."),
    withoutJail: count.describe("Their home has the separator, but names no jail."),
    more: textOrNull.describe("Why there may be more of them: a name service does not answer."),
  }),
  processes: z.strictObject({
    outside: count.describe("Processes of users in jails that have the root directory of the host."),
    more: textOrNull.describe("Why there may be more of them."),
  }),
  mounts: z
    .strictObject({ total: count, lacking: count.describe("Not mounted as they should be.") })
    .describe("Directories of the host in jails."),
  logSockets: z.strictObject({
    running: z.boolean().describe("Whether jk_socketd runs."),
    configured: count.nullable().describe("null: the configuration cannot be used."),
    served: count,
    working: count.describe("Of these, those that relay messages."),
    overLimit: count.describe("Of these, those that wait because they sent more than their limit."),
  }),
  requested: spanSchema.describe("The last request of jk_init or jk_cp."),
  changed: spanSchema.describe("The last change of the record, by jk_update or another tool."),
  configuration: z
    .strictObject({ files: count, errors: count, warnings: count })
    .describe("The files of the host in /etc/jailkit."),
  declarations: count
    .nullable()
    .describe(
      "The files in /etc/jailkit/jails.d, and jails.ini if it has a section; null if there is neither.",
    ),
  findings: z
    .array(
      z.strictObject({
        kind: keysOf(FINDING_KINDS),
        subject: z.string().describe("A jail, a file, a program or an account."),
        message: z.string(),
        command: z.string().describe("It fixes the finding, or shows the ways to do so; for a shell."),
      }),
    )
    .describe("All of them, the worst first."),
  exitStatus: successOrFailure,
}).describe("The state of the machine.");

/** What `jailkit status --json` prints. */
export type StatusReport = z.infer<typeof statusReportSchema>;
