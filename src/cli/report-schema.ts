/**
 * What the schemas of several reports share. A report is what a tool prints with --json; its schema is the one
 * description of it: types come from it by `import type`, docs/schemas/ by build/schemas.ts. No tool loads zod.
 */
import * as z from "zod";
import { SIGNAL_STATUSES } from "./interrupt.ts";
import { PROBLEM_CODES } from "./problem-codes.ts";

/** A report: the version of its shape, the name of the tool, and its own fields. No others. */
export function reportSchema<T extends string, F extends z.core.$ZodShape>(tool: T, fields: F) {
  return z.strictObject({ version: z.literal(1), tool: z.literal(tool), ...fields });
}

/** The names in a table. */
export const keysOf = <T extends object>(table: T) => z.enum(Object.keys(table) as (keyof T & string)[]);

/** All values of a union type: the compiler reports one that is missing, and one too many. */
export const enumOf = <T extends string>(values: Readonly<Record<T, true>>) =>
  z.enum(Object.keys(values) as T[]);

/** A number of things, or of bytes. */
export const count = z.int().nonnegative();

/** A list of texts. */
export const texts = z.array(z.string());

/** A text, or null. */
export const textOrNull = z.string().nullable();

/** The path of something in a jail. */
export const jailPath = z
  .string()
  .describe("As the jail sees it. Bytes that are not UTF-8 are U+DC80 to U+DCFF.");

/** Permission bits. */
export const mode = z
  .string()
  .regex(/^[0-7]{4,5}$/)
  .describe("Octal.");

/** The exit status of a tool that fails in one way only. */
export const successOrFailure = z.literal([0, 1]);

/** The exit statuses of a command that SIGHUP, SIGINT or SIGTERM may interrupt. */
export const interruptible = <const T extends readonly number[]>(...statuses: T) =>
  z.literal([...statuses, ...SIGNAL_STATUSES]);

export const problemSchema = z
  .strictObject({
    code: keysOf(PROBLEM_CODES).describe("A stable name of what went wrong."),
    path: z.string().describe("Bytes that are not UTF-8 are U+DC80 to U+DCFF."),
    message: z.string().describe("One printable line."),
    remedy: textOrNull.describe(
      "The command in the message, if one command is the remedy; null if the message says it, or only the administrator can know.",
    ),
  })
  .meta({ id: "problem", description: "Something that failed." });

/** Something that failed. */
export type ProblemReport = z.infer<typeof problemSchema>;

/** What any tool prints with --json in place of its report, if an error ended it before there was one. */
export const errorReportSchema = z
  .strictObject({
    version: z.literal(1),
    tool: z.string(),
    problems: z.array(problemSchema).length(1),
    exitStatus: z.int().positive(),
  })
  .describe("An error that ended a command before it had a report.");

export type ErrorReport = z.infer<typeof errorReportSchema>;
