import type { ByteString } from "../../ffi/bytes.ts";
import { baseName } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import type { ProgramFiles } from "./program.ts";
import { openInputs, plainNames, recognise } from "./recognise.ts";
import { starterReason } from "./starters.ts";

/** What the administrator should know before a program is allowed, in printable text. */
export interface ProgramWarning {
  message: string;
  /** An imperative. */
  remedy: string;
  /** It is allow_spawn_options that opens it. */
  spawns?: boolean;
}

/**
 * By what the user of a limited shell that allows the program at `path` can start others. `unchecked`: the section has
 * allow_spawn_options, so that nothing is closed. `held`: the kernel lets a known program execute only what its row
 * says, so that what the row leaves open is closed by that.
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
  for (const { what, remedy } of held ? [] : openInputs(program)) {
    warnings.push({ message: `${quoted(path)} starts what ${what}`, remedy });
  }
  return warnings;
}
