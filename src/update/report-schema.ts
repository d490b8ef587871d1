/** The reports of jk_update, and of jk_init and jk_cp with --remove. */
import * as z from "zod";
import { BUSY } from "../cli/options.ts";
import {
  count,
  enumOf,
  interruptible,
  jailPath,
  mode,
  problemSchema,
  reportSchema,
  textOrNull,
  texts,
} from "../cli/report-schema.ts";
import type { Entry } from "../populate/entry.ts";
import type { Extra } from "./extras.ts";
import type { Change, Removal } from "./plan/compare.ts";

const devices = { char: true, block: true } as const;
const removalTypes = {
  file: true,
  directory: true,
  link: true,
  ...devices,
  fifo: true,
  socket: true,
} as const;

const keptSchema = z
  .strictObject({ path: jailPath, reason: z.string() })
  .meta({ id: "kept", description: "A file that stays as it is." });

const changeSchema = z
  .strictObject({
    action: enumOf<Change["action"] | "remove">({
      create: true,
      replace: true,
      attributes: true,
      exchange: true,
      remove: true,
    }).describe(
      '"attributes": mode, owner or time; "exchange": a directory replaces a file or symbolic link, or the other way round.',
    ),
    type: enumOf<Entry["type"] | Removal["type"]>({ ...removalTypes, symlink: true, device: true }),
    path: jailPath,
    source: z.string().optional().describe("The host's file that it is made from."),
    target: z.string().optional().describe("The text of a symbolic link."),
    mode: mode.optional(),
    uid: count.optional(),
    gid: count.optional(),
    done: z.boolean().describe("False in a dry run, and if it failed."),
    why: texts.optional().describe("The sections and operands that want it."),
    reason: z
      .string()
      .optional()
      .describe(
        "Why it is removed, if it is on the host and wanted: a limited shell that jk_chrootsh has built in.",
      ),
  })
  .meta({ id: "change" });

const updatedJailSchema = z
  .strictObject({
    jail: z.string(),
    record: textOrNull.describe("The id of its record; null if it has none."),
    state: z
      .enum(["up-to-date", "pending", "updated", "failed", "gone", "emptied"])
      .describe(
        '"gone": its directory is missing. "emptied": somebody removed its contents; it stays so. "pending": in a dry run, there is something to do.',
      ),
    changes: z.array(changeSchema),
    extras: z
      .array(
        enumOf<Extra["kind"]>({
          accounts: true,
          proc: true,
          sockets: true,
          "log-socket": true,
          "library-cache": true,
        }),
      )
      .describe("Other things that are missing."),
    kept: z.array(keptSchema),
    skipped: texts,
    warnings: texts,
    problems: z.array(problemSchema),
  })
  .meta({ id: "jail" });

export const updateReportSchema = reportSchema("jk_update", {
  dryRun: z.boolean(),
  jails: z.array(updatedJailSchema),
  warnings: texts,
  problems: z.array(problemSchema).describe("Jails that could not be updated at all."),
  exitStatus: interruptible(0, 1, 10, BUSY),
}).describe("What jk_update did, or would do.");

/** A line of --json=lines about a jail that is done. */
export const updateLineSchema = reportSchema("jk_update", { jail: updatedJailSchema }).describe(
  "--json=lines: a jail that is done.",
);

/** The last line of --json=lines. */
export const updateSummarySchema = reportSchema("jk_update", {
  dryRun: z.boolean(),
  jails: count.describe("Those that were done; a missing one does not count."),
  warnings: texts,
  problems: z.array(problemSchema).describe("Jails that could not be updated at all."),
  exitStatus: interruptible(0, 1, 10, BUSY),
}).describe("--json=lines: the last line.");

export type UpdateSummary = z.infer<typeof updateSummarySchema>;

/** What `jk_update --json` prints. */
export type UpdateReport = z.infer<typeof updateReportSchema>;
export type UpdatedJailReport = z.infer<typeof updatedJailSchema>;
export type ChangeReport = z.infer<typeof changeSchema>;
export type KeptReport = z.infer<typeof keptSchema>;

const removalSchema = z
  .strictObject({
    action: z.literal("remove"),
    type: enumOf<Removal["type"]>(removalTypes),
    path: jailPath,
    done: z.boolean(),
  })
  .meta({ id: "removal" });

/** The report of a tool with --remove. */
export const removeReportSchema = <T extends "jk_init" | "jk_cp">(tool: T) =>
  reportSchema(tool, {
    jail: z.string(),
    dryRun: z.boolean(),
    removed: texts.describe("The sections or files that are no longer asked for."),
    actions: z.array(removalSchema),
    kept: z.array(keptSchema),
    warnings: texts,
    problems: z.array(problemSchema),
    exitStatus: count,
  }).describe("--remove");

/** What `jk_init --remove --json` and `jk_cp --remove --json` print. */
export type RemoveReport = z.infer<ReturnType<typeof removeReportSchema<"jk_init" | "jk_cp">>>;
