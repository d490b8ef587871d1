import type { ByteString } from "../../../ffi/bytes.ts";
import type { DependencyProblem } from "../../libraries/dependency.ts";
import type { Entry } from "../entry.ts";

/**
 * Sorts messages about missing dependencies. They are warnings for files that were requested by name, else notes: a
 * directory may contain programs that are broken on the host already.
 */
export function missingMessages(
  entries: readonly Entry[],
  problems: readonly DependencyProblem[],
): { warnings: string[]; notes: string[] } {
  const asked = new Set<ByteString | undefined>();
  for (const { source, because } of entries) {
    if (because.some(({ reason }) => reason.kind === "asked")) asked.add(source);
  }
  const warnings: string[] = [];
  const notes: string[] = [];
  for (const { file, message } of problems) (asked.has(file) ? warnings : notes).push(message);
  return { warnings, notes };
}
