/** The report of jk_init --list. */
import * as z from "zod";
import { reportSchema } from "../cli/report-schema.ts";

export const sectionsReportSchema = reportSchema("jk_init", {
  sections: z.array(z.strictObject({ name: z.string(), comment: z.string() })),
}).describe("--list: the sections.");

/** What `jk_init --list --json` prints. */
export type SectionsReport = z.infer<typeof sectionsReportSchema>;
