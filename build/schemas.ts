/**
 * npm run schemas: docs/schemas/, the JSON Schema of what each tool prints with --json, of lines of the log, and of
 * declarations; and the table of codes in docs/panels.md.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { checkLineSchema, checkReportSchema, checkSummarySchema } from "../src/check/report/report-schema.ts";
import { PROBLEM_CODES } from "../src/cli/problem-codes.ts";
import { errorReportSchema } from "../src/cli/report-schema.ts";
import { applyChangeSchema, applySummarySchema } from "../src/declaration/report-schema.ts";
import { explainReportsSchema } from "../src/explain/report-schema.ts";
import {
  adoptReportSchema,
  deleteReportSchema,
  diskReportSchema,
  forgetReportSchema,
  listReportSchema,
  mountReportSchema,
  unmountReportSchema,
} from "../src/jails/report-schema.ts";
import { configReportSchema } from "../src/lint/report-schema.ts";
import { logSocketsReportSchema } from "../src/log-socket/report-schema.ts";
import { populateReportSchema, whyReportSchema } from "../src/populate/report-schema.ts";
import { processesReportSchema } from "../src/processes/report-schema.ts";
import { sectionsReportSchema } from "../src/profile/report-schema.ts";
import { statusReportSchema } from "../src/status/report-schema.ts";
import { logSchema } from "../src/system/log-schema.ts";
import { exportReportSchema, importReportSchema } from "../src/transfer/report-schema.ts";
import {
  removeReportSchema,
  updateLineSchema,
  updateReportSchema,
  updateSummarySchema,
} from "../src/update/report-schema.ts";
import {
  jailUserReportSchema,
  newUserReportSchema,
  terminateReportSchema,
} from "../src/users/report-schema.ts";
import { DECLARATION_SCHEMA_FILE, declarationSchema } from "./declaration-schema.ts";

const copied = z
  .union([populateReportSchema("jk_cp"), removeReportSchema("jk_cp"), whyReportSchema("jk_cp")])
  .describe("What jk_cp did, or would do.");

const filled = z
  .union([
    populateReportSchema("jk_init"),
    removeReportSchema("jk_init"),
    whyReportSchema("jk_init"),
    sectionsReportSchema,
  ])
  .describe("What jk_init did, or would do, or can do.");

const checked = z
  .union([checkReportSchema, checkLineSchema, checkSummarySchema])
  .describe("What jk_check found.");

const updated = z
  .union([updateReportSchema, updateLineSchema, updateSummarySchema])
  .describe("What jk_update did, or would do.");

const applied = z
  .union([applyChangeSchema, applySummarySchema])
  .describe("What jailkit apply did, or would do, in each line.");

/** The schema of each tool's report, by the `tool` that the report names. */
export const REPORT_SCHEMAS = {
  "jailkit adopt": adoptReportSchema,
  "jailkit apply": applied,
  "jailkit config": configReportSchema,
  "jailkit delete": deleteReportSchema,
  "jailkit disk": diskReportSchema,
  "jailkit explain": explainReportsSchema,
  "jailkit export": exportReportSchema,
  "jailkit forget": forgetReportSchema,
  "jailkit import": importReportSchema,
  "jailkit list": listReportSchema,
  "jailkit log-sockets": logSocketsReportSchema,
  "jailkit mount": mountReportSchema,
  "jailkit status": statusReportSchema,
  "jailkit terminate-user": terminateReportSchema,
  "jailkit unmount": unmountReportSchema,
  jk_addjailuser: newUserReportSchema,
  jk_check: checked,
  jk_cp: copied,
  jk_init: filled,
  jk_jailuser: jailUserReportSchema,
  jk_list: processesReportSchema,
  jk_update: updated,
};

export type ReportTool = keyof typeof REPORT_SCHEMAS;

const STABILITY =
  "New fields and codes may be added; the version changes where old ones change their meaning.";

/** The name of a file of docs/schemas/. */
export const schemaFileOf = (tool: ReportTool): string => `${tool.replace(" ", "-")}.schema.json`;

/** The schema of what each of them prints for an error that ends it before it has a report. */
export const ERROR_SCHEMA_FILE = "error.schema.json";

/** The schema of a line of the log. */
export const LOG_SCHEMA_FILE = "log.schema.json";

function schemaText(schema: z.ZodType, title: string): string {
  const { $schema, description, ...rest } = z.toJSONSchema(schema, {
    override: ({ jsonSchema }) => {
      // The limits of zod's own integers.
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  const head = { $schema, title, description: `${description} ${STABILITY}` };
  return `${JSON.stringify({ ...head, ...rest }, null, 2)}\n`;
}

/** The files of docs/schemas/, by name. */
export function schemaFiles(): Map<string, string> {
  const files = new Map([
    [DECLARATION_SCHEMA_FILE, `${JSON.stringify(declarationSchema(), null, 2)}\n`],
    [ERROR_SCHEMA_FILE, schemaText(errorReportSchema, "--json")],
    [LOG_SCHEMA_FILE, schemaText(logSchema, "log_format = json")],
  ]);
  for (const tool of Object.keys(REPORT_SCHEMAS) as ReportTool[]) {
    const command = tool === "jailkit config" ? "jailkit config check" : tool;
    files.set(schemaFileOf(tool), schemaText(REPORT_SCHEMAS[tool], `${command} --json`));
  }
  return files;
}

/** A page with the table of the codes of problems, in the place of the one that it has. */
export function withCodes(page: string): string {
  const rows = Object.entries(PROBLEM_CODES).map(([code, phrase]) => `| \`${code}\` | ${phrase} |`);
  const table = ["| code | problem |", "|---|---|", ...rows].join("\n");
  return page.replace(/(?<=<!-- codes -->\n)[\s\S]*(?=<!-- end of codes -->)/, () => `${table}\n`);
}

/** The page that has it. */
export const CODES_PAGE = join(import.meta.dir, "../docs/panels.md");

if (import.meta.main) {
  writeFileSync(CODES_PAGE, withCodes(readFileSync(CODES_PAGE, "utf8")));
  for (const [name, text] of schemaFiles())
    writeFileSync(join(import.meta.dir, "../docs/schemas", name), text);
}
