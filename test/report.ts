import * as z from "zod";
import { REPORT_SCHEMAS, type ReportTool } from "../build/schemas.ts";
import type { ByteString } from "../ffi/bytes.ts";
import { REMEDY_PROGRAMS } from "../src/cli/remedy.ts";

const TYPED = new RegExp(
  `^(?:(?:${REMEDY_PROGRAMS.join("|")})(?: |$)|add these lines to .*:\\n|in section \\[.*\\] of .* write:\\n|write in line \\d+ of .*:\\n)`,
);

/** The remedies in a report that are words, and not what can be typed: a command, or lines for a file. */
export function remediesInWords(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, one]: [string, unknown]) =>
    key === "remedy" && typeof one === "string" && one !== "" && !TYPED.test(one)
      ? [one]
      : remediesInWords(one),
  );
}

/** What a tool printed with --json, as bytes: one report of this schema, without any other field, whose remedies can be typed. */
export function reportOf<S extends z.ZodType>(schema: S, printed: ByteString): z.infer<S> {
  const value: unknown = JSON.parse(Buffer.from(printed, "latin1").toString("utf8"));
  const { data, error } = schema.safeParse(value);
  if (error !== undefined) throw new Error(`${z.prettifyError(error)}\n${printed}`);
  const words = remediesInWords(value);
  if (words.length > 0) throw new Error(`no remedy, but words: ${words.join("\n")}`);
  return data as z.infer<S>;
}

/** The tool whose report a command prints. */
export function reportToolOf([program = "", command = ""]: readonly string[]): ReportTool {
  const tool = program === "jailkit" ? `${program} ${command}` : program;
  if (!(tool in REPORT_SCHEMAS)) throw new Error(`${tool} has no schema`);
  return tool as ReportTool;
}
