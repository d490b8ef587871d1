/** The file of jailkit export, and the report of jailkit import. */
import * as z from "zod";
import { BUSY } from "../cli/options.ts";
import { count, interruptible, problemSchema, reportSchema, texts } from "../cli/report-schema.ts";
import { TRANSFER } from "./document.ts";
import type { Shape } from "./shape.ts";

/** The same form for zod. */
function schemaOf(shape: Shape): z.ZodType {
  const schema = bareSchema(shape);
  return "about" in shape && shape.about !== undefined ? schema.describe(shape.about) : schema;
}

function bareSchema(shape: Shape): z.ZodType {
  switch (shape.kind) {
    case "text":
      return textOf(shape.longest);
    case "flag":
      return z.boolean();
    case "number":
      return (shape.whole ? z.int() : z.number()).min(shape.least).max(shape.most);
    case "choice":
      return z.enum(shape.of);
    case "list":
      return z.array(schemaOf(shape.of)).max(shape.most);
    case "texts":
      return z
        .record(textOf(shape.longest), textOf(shape.longest))
        .refine((fields) => Object.keys(fields).length <= shape.most)
        .meta({ maxProperties: shape.most });
    case "nullable":
      return schemaOf(shape.of).nullable();
    case "object":
      return z.strictObject(fieldsOf(shape.fields));
  }
}

const textOf = (longest: number) =>
  z
    .string()
    .max(longest)
    .regex(/^[^\0-\x1f\x7f]*$/);

const fieldsOf = (fields: Readonly<Record<string, Shape>>): Record<string, z.ZodType> =>
  Object.fromEntries(
    Object.entries(fields).map(([name, field]) => {
      const schema = schemaOf(field);
      const isOptional = (field.kind === "list" || field.kind === "nullable") && field.optional === true;
      return [name, isOptional ? schema.optional() : schema];
    }),
  );

export const exportReportSchema = reportSchema("jailkit export", fieldsOf(TRANSFER.fields)).describe(
  "What a jail was made from, for 'jailkit import' on another machine. Bytes that are not UTF-8 are U+DC80 to U+DCFF.",
);

export const importReportSchema = reportSchema("jailkit import", {
  jail: z.string(),
  from: z.string().describe("Its path on the other machine."),
  dryRun: z.boolean(),
  requests: z.array(
    z.strictObject({ tool: z.enum(["jk_init", "jk_cp"]), names: texts.describe("Sections, or files.") }),
  ),
  sections: texts.describe("Sections that are added to this machine's jk_init.d."),
  entries: count.describe("Files, directories, links and devices of the new jail."),
  live: texts.describe("The directories of this machine that are mounted in it."),
  users: z.array(
    z.strictObject({
      name: z.string(),
      uid: count,
      state: z
        .enum(["here", "create", "absent"])
        .describe(
          '"here": it lived in the jail already; "create": it is created; "absent": it is not there.',
        ),
    }),
  ),
  steps: texts.describe("The steps that were done, one printable line each."),
  warnings: texts,
  problems: z
    .array(problemSchema)
    .describe("Without steps: reasons why nothing was done. Otherwise: why not everything was done."),
  exitStatus: interruptible(0, 1, BUSY),
}).describe("What was imported, or would be.");

/** What `jailkit import --json` prints. */
export type ImportReport = z.infer<typeof importReportSchema>;
