/** A line of the log with `log_format = json`, by the names of the Elastic Common Schema. */
import * as z from "zod";
import { enumOf, texts } from "../cli/report-schema.ts";
import type { Severity } from "./syslog.ts";

/** What a line says of a decision. */
export type Outcome = "allowed" | "refused" | "failed";

const port = z.int().min(0).max(65535);

const groupSchema = z.strictObject({ id: z.string(), name: z.string() }).describe("The primary group.");

const userSchema = z.strictObject({
  id: z.string().describe("The real uid, by the kernel."),
  name: z.string().optional().describe("Missing until the account is proved."),
  group: groupSchema.optional(),
});

const eventSchema = z.strictObject({
  kind: z.literal("event"),
  category: z.array(enumOf({ session: true, process: true })),
  type: z.array(enumOf({ start: true, allowed: true, denied: true, error: true, info: true })),
  action: z
    .string()
    .regex(/^(?:note|(?:login|command|program)-(?:allowed|refused|failed))$/)
    .describe(
      "login: jk_chrootsh; command: jk_lsh; program: jk_uchroot, jk_procmailwrapper. failed: it was allowed and did not start. note: no decision.",
    ),
  outcome: enumOf({ success: true, failure: true }).optional().describe("Missing for a note."),
  code: z.string().optional().describe("A stable name of the check or rule that refused."),
  reason: z.string().optional(),
  provider: z.string().describe("The program."),
});

const processSchema = z.strictObject({
  pid: z.int(),
  executable: z.string().optional(),
  args: texts.optional().describe("What is executed; for a refusal, what was asked for."),
  args_count: z.int().optional().describe("Also of the arguments that were cut."),
  exit_code: z.int().optional().describe("The exit status of the program that refused."),
});

const endSchema = z.strictObject({ ip: z.string(), port });

const ownSchema = z.strictObject({
  version: z.literal(1),
  jail: z.string().optional(),
  section: z.string().optional().describe("The section of the config file that applies."),
  rule: z.string().optional().describe("The label of the key that allowed the command."),
  original_command: z
    .string()
    .optional()
    .describe(
      "What the client asked for where the key force runs something else, as in SSH_ORIGINAL_COMMAND.",
    ),
  confinement: z.string().optional().describe("What the kernel enforces."),
  remedy: z.string().optional(),
  cut: texts.optional().describe("The fields whose text was too long for a line of the log."),
});

export const logSchema = z
  .strictObject({
    "@timestamp": z.iso.datetime().describe("UTC."),
    message: z.string().describe("One printable line."),
    ecs: z.strictObject({ version: z.string() }),
    log: z.strictObject({
      level: enumOf<Severity>({
        emerg: true,
        alert: true,
        crit: true,
        err: true,
        warning: true,
        notice: true,
        info: true,
        debug: true,
      }),
    }),
    service: z.strictObject({ name: z.string(), type: z.literal("jailkit"), version: z.string() }),
    event: eventSchema,
    user: userSchema,
    source: endSchema.optional().describe("The client, by SSH_CONNECTION."),
    destination: endSchema.optional().describe("The server, by SSH_CONNECTION."),
    process: processSchema,
    rule: z
      .strictObject({ name: z.string(), ruleset: z.string().optional() })
      .optional()
      .describe("jailkit.rule, or jailkit.section, and its file."),
    error: z.strictObject({ id: z.string() }).optional().describe("As the user saw it."),
    jailkit: ownSchema,
    jk_socketd: z
      .strictObject({ jail: z.string(), uid: z.int() })
      .optional()
      .describe("The real sender of a line that came through jk_socketd: it may say anything."),
  })
  .describe("A line of the log of jk_chrootsh, jk_lsh, jk_uchroot or jk_procmailwrapper.");

/** A line of the log as JSON. */
export type LogEvent = z.infer<typeof logSchema>;
