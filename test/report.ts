import * as z from "zod";
import { REPORT_SCHEMAS, type ReportTool } from "../build/schemas.ts";
import type { ByteString } from "../ffi/bytes.ts";

/** What a tool printed with --json, as bytes: one report of this schema, without any other field. */
export function reportOf<S extends z.ZodType>(schema: S, printed: ByteString): z.infer<S> {
  const value: unknown = JSON.parse(Buffer.from(printed, "latin1").toString("utf8"));
  const { data, error } = schema.safeParse(value);
  if (error !== undefined) throw new Error(`${z.prettifyError(error)}\n${printed}`);
  return data as z.infer<S>;
}

/** The tool whose report a command prints. */
export function reportToolOf([program = "", command = ""]: readonly string[]): ReportTool {
  const tool = program === "jailkit" ? `${program} ${command}` : program;
  if (!(tool in REPORT_SCHEMAS)) throw new Error(`${tool} has no schema`);
  return tool as ReportTool;
}
