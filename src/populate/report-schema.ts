/** The reports of jk_init and jk_cp. */
import * as z from "zod";
import { count, enumOf, jailPath, mode, problemSchema, reportSchema, texts } from "../cli/report-schema.ts";
import type { Entry, Reason } from "./entry.ts";

const actionSchema = z
  .strictObject({
    action: z.enum(["create", "replace"]),
    type: enumOf<Entry["type"]>({ directory: true, file: true, symlink: true, device: true }),
    path: jailPath,
    source: z.string().optional().describe("The host's file that it is made from."),
    target: z.string().optional().describe("The text of a symbolic link."),
    device: z.strictObject({ type: z.enum(["char", "block"]), major: count, minor: count }).optional(),
    mode,
    uid: count,
    gid: count,
    size: count.optional(),
    why: z.array(
      z.strictObject({
        section: z.string().describe("The section, or the operand of jk_cp."),
        kind: enumOf<Reason["kind"]>({
          asked: true,
          tree: true,
          link: true,
          parent: true,
          interpreter: true,
          needed: true,
          script: true,
          dlopen: true,
        }),
        of: z.string().optional(),
      }),
    ),
  })
  .meta({ id: "action", description: "An object that was or would be created." });

/** The report of a tool that fills a jail. */
export const populateReportSchema = <T extends "jk_init" | "jk_cp">(tool: T) =>
  reportSchema(tool, {
    jail: z.string(),
    dryRun: z.boolean(),
    asked: texts.describe("The sections or files that were named."),
    actions: z.array(actionSchema).describe("In the order in which they are created."),
    kept: count.describe("How many of the objects were in the jail before, and stay."),
    users: texts.describe("Accounts that etc/passwd has now, or would have."),
    groups: texts,
    warnings: texts,
    suggestions: z
      .array(z.strictObject({ path: z.string(), section: z.string(), command: z.string() }))
      .describe(
        "Sections with what a copied program needs besides its libraries, and the commands that add them.",
      ),
    problems: z.array(problemSchema).describe("Whatever makes the exit status other than 0."),
    exitStatus: count,
  });

/** The report of a tool with --why. */
export const whyReportSchema = <T extends "jk_init" | "jk_cp">(tool: T) =>
  reportSchema(tool, {
    path: z.string(),
    sections: z.array(
      z.strictObject({
        section: z.string(),
        steps: z.array(z.strictObject({ path: z.string(), why: z.string() })),
      }),
    ),
  }).describe("--why");

/** What `jk_init --json` and `jk_cp --json` print, and the same with --why. */
export type PopulateReport = z.infer<ReturnType<typeof populateReportSchema<"jk_init" | "jk_cp">>>;
export type ActionReport = z.infer<typeof actionSchema>;
export type WhyReport = z.infer<ReturnType<typeof whyReportSchema<"jk_init" | "jk_cp">>>;
