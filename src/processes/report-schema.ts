/** The report of jk_list. */
import * as z from "zod";
import { count, enumOf, reportSchema, textOrNull, texts } from "../cli/report-schema.ts";
import type { ProcessConfinement } from "./confinement.ts";
import type { Root } from "./roots.ts";

const confinementSchema = z
  .strictObject({
    seccomp: enumOf<ProcessConfinement["seccomp"]>({ none: true, strict: true, filter: true, unknown: true }),
    seccompFilters: count.nullable().describe("null without filters, or if the kernel does not tell."),
    noNewPrivs: z.boolean().nullable().describe("null if the kernel does not tell."),
  })
  .describe("From /proc/PID/status; only with --confinement.");

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
  confinement: confinementSchema.optional(),
});

export const processesReportSchema = reportSchema("jk_list", {
  processes: z.array(processSchema),
  containers: z.int(),
  ended: z.int(),
  unreadable: z.int().describe("Processes that the caller may not examine."),
}).describe("The processes that run in jails.");

/** What `jk_list --json` prints. */
export type ProcessesReport = z.infer<typeof processesReportSchema>;
