import { libc } from "../../ffi/libc.ts";
import { JailkitError } from "./error.ts";

/** Refuses users other than root. Throws JailkitError "not-root". */
export function requireRoot(exitStatus = 5): void {
  if (libc.geteuid() !== 0) throw new JailkitError("not-root", exitStatus, "must be run as root");
}
