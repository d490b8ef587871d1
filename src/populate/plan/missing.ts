import type { ByteString } from "../../../ffi/bytes.ts";
import type { DependencyProblem } from "../../libraries/closure.ts";
import type { Entry } from "../entry.ts";

/**
 * Sorts messages about what files of a plan need and the host lacks. Warnings are about files that were asked for by
 * name; of what came with a directory, some may be broken on the host already, which is only a note.
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
