import type { ByteString } from "../../../ffi/bytes.ts";
import type { ManifestRequest } from "../../jail/record/manifest.ts";

const TOOLS: ReadonlySet<ByteString> = new Set(["jk_init", "jk_cp"]);

/** True for a recorded request for files; other requests are about the accounts of a jail. */
export function asksForFiles({ tool }: ManifestRequest): boolean {
  return TOOLS.has(tool);
}
