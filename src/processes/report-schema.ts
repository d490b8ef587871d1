/** The report of jk_list. */
import * as z from "zod";
import { enumOf, reportSchema, textOrNull, texts } from "../cli/report-schema.ts";
import type { Root } from "./roots.ts";

const processSchema = z.strictObject({
  pid: z.int(),
  parent: z.int().nullable(),
  uid: z.int(),
  user: textOrNull.describe("null if the uid has no account."),
  kind: enumOf<Exclude<Root["kind"], "host">>({ jail: true, container: true }),
  jail: textOrNull,
  jailRemoved: z.boolean(),
  mountNamespace: textOrNull,
  root: z.string(),
  exe: textOrNull,
  exeRemoved: z.boolean(),
  arguments: texts,
  argumentsCut: z.boolean(),
});

export const processesReportSchema = reportSchema("jk_list", {
  processes: z.array(processSchema),
  containers: z.int(),
  ended: z.int(),
  unreadable: z.int().describe("Processes that the caller may not examine."),
}).describe("The processes that run in jails.");

/** What `jk_list --json` prints. */
export type ProcessesReport = z.infer<typeof processesReportSchema>;
