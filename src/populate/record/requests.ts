import type { ByteString } from "../../../ffi/bytes.ts";
import type { ManifestRequest } from "../../jail/record/manifest.ts";

const TOOLS: ReadonlySet<ByteString> = new Set(["jk_init", "jk_cp"]);

/** The options of a request that are set, for the record. */
export const givenOptions = (options: Readonly<Record<string, ByteString | boolean | undefined>>) =>
  Object.fromEntries(Object.entries(options).flatMap(([name, value]) => (value ? [[name, value]] : [])));

/** True for a recorded request for files; other requests are about the accounts of a jail. */
export function asksForFiles({ tool }: ManifestRequest): boolean {
  return TOOLS.has(tool);
}
