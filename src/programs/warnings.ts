import type { ByteString } from "../../ffi/bytes.ts";
import { baseName } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import type { ProgramFiles } from "./program.ts";
import { plainNames, recognise } from "./recognise.ts";
import { starterReason } from "./starters.ts";

/** A warning before a program is allowed, in printable text. */
export interface ProgramWarning {
  message: string;
  /** An imperative. */
  remedy: string;
  /** allow_spawn_options causes it. */
  spawns?: boolean;
}

/**
 * Warnings about ways in which the user of a limited shell can start other programs through the program at `path`.
 * `unchecked`: the section has allow_spawn_options, so arguments are not checked. `held`: the kernel limits what a known
 * program executes to its row of the table.
 */
export function programWarnings(
  path: ByteString,
  files: ProgramFiles,
  unchecked: boolean,
  held = false,
): ProgramWarning[] {
  const program = recognise(path, files);
  const warnings: ProgramWarning[] = [];
  for (const name of program.others) {
    const how = starterReason(plainNames(name));
    if (how === undefined) continue;
    const real = name === baseName(path) ? "" : ` (${quoted(name)})`;
    warnings.push({
      message: `${quoted(path)}${real} ${how}: it can start other programs`,
      remedy: "take it out of executables",
    });
    break;
  }
  if (unchecked && program.rows.length > 0) {
    warnings.push({
      message: `with allow_spawn_options a user can start any program with ${quoted(path)}`,
      remedy: "take allow_spawn_options out of the section",
      spawns: true,
    });
    return warnings;
  }
  for (const { what, remedy } of held ? [] : program.rows.flatMap(({ open = [] }) => open)) {
    warnings.push({ message: `${quoted(path)} starts what ${what}`, remedy });
  }
  return warnings;
}
