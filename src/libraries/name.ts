import type { ByteString } from "../../ffi/bytes.ts";
import { baseName } from "../../ffi/paths.ts";

/** True for a path that is named like a shared library: libc.so.6, pam_unix.so. */
export function isLibraryName(path: ByteString): boolean {
  return /\.so(?:\.|$)/.test(baseName(path));
}
