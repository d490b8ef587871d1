import type { ByteString } from "../../../ffi/bytes.ts";
import type { LshSection } from "../../config/schemas/lsh.ts";
import type { AllowedCommand } from "../../known-programs/allow/table.ts";

/** The values of a section for a command of its key `allow`, which are narrower than those for its executables. */
export function grantedValues(
  values: LshSection,
  path: ByteString,
  { read, write }: Pick<AllowedCommand, "read" | "write">,
): LshSection {
  const executables = [...(values.executables ?? []), path];
  return { ...values, executables, allowSpawnOptions: false, read, write };
}
