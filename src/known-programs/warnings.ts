import type { ByteString } from "../../ffi/bytes.ts";
import { baseName } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import type { ProgramFiles } from "./program.ts";
import { plainNames, type Recognised, recognise, startsOf } from "./recognise.ts";
import { starterReason } from "./starters.ts";

/** A warning before a program is allowed, in printable text. */
export interface ProgramWarning {
  message: string;
  /** An imperative. */
  advice: string;
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
      advice: "take it out of the section",
    });
    break;
  }
  if (unchecked && program.rows.length > 0) {
    warnings.push({
      message: `with allow_spawn_options a user can start any program with ${quoted(path)}`,
      advice: "take allow_spawn_options out of the section",
      spawns: true,
    });
    return warnings;
  }
  for (const { what, advice } of held ? [] : program.rows.flatMap(({ open = [] }) => open)) {
    warnings.push({ message: `${quoted(path)} starts ${what}`, advice });
  }
  return warnings;
}

/** How a program starts another one before it serves, as its file shows. */
export type OwnStart =
  /** A script; `lookedUp`: the program that env(1) starts, if that is the interpreter. */
  | { kind: "script"; interpreter: ByteString; lookedUp: ByteString | undefined }
  /** Built with PyInstaller: it starts itself a second time. */
  | { kind: "unpacks" };

const SHELLS = "sh bash rbash dash ash ksh ksh93 mksh zsh busybox".split(" ");
const FREE = "or write execute = system, /usr/bin, which lets all servers of the section execute these";

/**
 * Why the program at `path` cannot serve when the kernel limits its executions to its row of the table. `certain`: in any
 * case; else only if it starts another program. Undefined if it can.
 */
export function ownStartWarning(
  path: ByteString,
  { rows }: Recognised,
  start: OwnStart | undefined,
): (ProgramWarning & { certain: boolean }) | undefined {
  const starts = startsOf(rows);
  if (starts === undefined || start === undefined) return undefined;
  const fails = (why: string, advice: string, certain = true) => ({
    message: `${quoted(path)} ${certain ? "cannot work" : "works only if it starts no other program"}: ${why}`,
    advice: `${advice}; ${FREE}`,
    certain,
  });
  if (start.kind === "unpacks") {
    const why = "it is built with PyInstaller and starts itself a second time, which is refused";
    return fails(why, "replace it with another build, such as that of the distribution");
  }
  const { interpreter, lookedUp = "another program" } = start;
  if (baseName(interpreter) === "env") {
    const why = `its first line lets ${quoted(interpreter)} start ${quoted(lookedUp)}, which is refused`;
    const advice = `name that program in the first line, as in #!/usr/bin/${display(baseName(lookedUp))}`;
    return fails(why, advice);
  }
  const instead = "list the program that it starts instead";
  if (starts.length > 0) {
    return fails(`it is a script of ${quoted(interpreter)}, which may not be executed`, instead);
  }
  if (!SHELLS.includes(baseName(interpreter))) return undefined;
  return fails("it is a shell script, and may itself execute nothing", instead, false);
}
