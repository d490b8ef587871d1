import type { ByteString } from "../../../ffi/bytes.ts";
import type { LshSection } from "../../config/schemas/lsh.ts";
import type { ExecuteScope } from "../../confine/directories.ts";
import type { ExecuteLimits } from "../../confine/execute.ts";

/** The limits of a section on the programs that the command executes. */
export function executeLimits(
  { execute = [], executables = [] }: Pick<LshSection, "execute" | "executables">,
  home: ByteString,
): ExecuteLimits | "any" {
  return execute === "any" ? "any" : { named: execute, executables, home };
}

/**
 * Whether a section lets known servers execute other programs. The administrator names directories for hooks and their
 * interpreters; a directory that does not count changes nothing.
 */
export function startsAnyProgram(
  { allowSpawnOptions, execute = [] }: LshSection,
  home: ByteString,
  request: { someNamedCounts: (scope: ExecuteScope) => boolean },
): boolean {
  return (
    allowSpawnOptions ||
    execute === "any" ||
    (execute.length > 0 && request.someNamedCounts({ named: execute, home }))
  );
}
