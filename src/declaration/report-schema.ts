/** The lines of `jailkit apply --json`. */
import * as z from "zod";
import { BUSY } from "../cli/options.ts";
import {
  count,
  enumOf,
  interruptible,
  keysOf,
  problemSchema,
  reportSchema,
  textOrNull,
  texts,
} from "../cli/report-schema.ts";
import { FINDING_CODES } from "../config/finding-codes.ts";
import { directorySchema } from "../users/report-schema.ts";
import type { Ended } from "./carry-out/report.ts";
import type { Aspect, Change } from "./change.ts";

const changeSchema = z
  .strictObject({
    action: enumOf<Change["action"]>({ create: true, change: true, remove: true }),
    of: enumOf<Change["of"]>({ jail: true, user: true }),
    name: z.string().describe("The path of the jail, or the name of the user."),
    jail: z.string(),
    what: enumOf<Aspect>({
      sections: true,
      files: true,
      live: true,
      mounts: true,
      "log-socket": true,
      proc: true,
      jail: true,
      account: true,
      entry: true,
      home: true,
      "home-mode": true,
      shell: true,
      comment: true,
      groups: true,
      keys: true,
      policy: true,
    }).describe(
      '"entry": the lines in the account files of the jail; "home-mode": of a home that a run which was killed has closed.',
    ),
    from: textOrNull.describe("What the machine has, printable."),
    to: textOrNull.describe("What is declared, printable."),
    why: z.string(),
    items: texts.describe("What is added to a list, or removed from it."),
    text: z.string().describe("The line of the plan."),
    status: enumOf<Ended["status"] | "planned">({
      done: true,
      failed: true,
      "not-done": true,
      planned: true,
    }).describe(
      '"planned": with --check. "not-done": something before it failed, or the run was interrupted.',
    ),
    waits: textOrNull.describe(
      'For "not-done", what has failed before and keeps this waiting; null if a signal came.',
    ),
    steps: texts.describe(
      "What was done, one printable line each; with --check, what would be of what is not done.",
    ),
    warnings: texts,
    errors: texts.describe("Why it failed."),
  })
  .meta({ id: "change" });

/** A line about a change, when it is made. */
export const applyChangeSchema = reportSchema("jailkit apply", { change: changeSchema }).describe(
  "A change, when it was made, or with --check would be.",
);

const applyProblemSchema = problemSchema
  .extend({
    file: textOrNull.describe(
      "Where what failed is declared; of a jail that no section declares, by its first user; null for what is not declared.",
    ),
    line: z
      .int()
      .nullable()
      .describe(
        "From 1 on; that of the key, or of the item of its list, if one is the cause, else of the header of the section; null for what is not about a line of a file.",
      ),
    column: z.int().nullable().describe("In bytes, from 1 on."),
    finding: keysOf(FINDING_CODES)
      .nullable()
      .describe(
        "For a mistake in a file that declares jails and users, or that does not fit the machine, the code of the error that jailkit config reports at the same key; null for all else, and for what others than root can bring about.",
      ),
    remedy: textOrNull.describe(
      "A command, or the text for a line of the file; null if the message says it, or only the administrator can know.",
    ),
    waitsFor: textOrNull.describe(
      'With the code "waits-for-jail": the jail that the user waits for, whose own problem says why; else null.',
    ),
  })
  .meta({ id: "apply-problem", description: "Something that failed." });

/** The last line. */
export const applySummarySchema = reportSchema("jailkit apply", {
  check: z.boolean(),
  changed: count.describe("Jails and users that were changed, or with --check would be."),
  failed: count.describe("Jails and users that are not as declared, since something failed."),
  unchanged: count,
  undeclared: texts.describe("What is there and not declared, one printable line each."),
  noLongerDeclared: texts.describe(
    "What of it was declared once, one printable line each: --prune removes it, or for a file that is gone what the line says. A key in it still lets somebody in.",
  ),
  unread: z
    .array(z.strictObject({ file: z.string(), message: z.string(), remedy: textOrNull }))
    .describe(
      "Files of jails.d that are not read because of their names, and directories with such files, though they may have been meant.",
    ),
  warnings: texts.describe(
    "What is declared and should not be so, and processes outside of the jails of users whose logins were changed, one printable line each.",
  ),
  directories: z
    .array(z.strictObject({ user: z.string(), attributes: directorySchema }))
    .describe("What a directory, such as LDAP, should say about users."),
  problems: z
    .array(applyProblemSchema)
    .describe(
      "What cannot be as declared. The errors of changes are in these. If files have errors, all of them, and nothing is done.",
    ),
  exitStatus: interruptible(0, 1, 10, BUSY),
}).describe("The last line.");

/** What `jailkit apply --json` prints in each line. */
export type ApplyChange = z.infer<typeof applyChangeSchema>;
export type ApplySummary = z.infer<typeof applySummarySchema>;
