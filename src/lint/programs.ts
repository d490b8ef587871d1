import type { ByteString } from "../../ffi/bytes.ts";
import { baseName, parentOf } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import type { Fix } from "../config/model.ts";
import { reportSeparators } from "../config/separators.ts";
import type { ListItem } from "../config/values.ts";
import { recognise } from "../known-programs/recognise.ts";
import { ownStartWarning, programWarnings } from "../known-programs/warnings.ts";
import { type LintContext, lintPathForm, pathFault, plainForm } from "./context.ts";

// Where a program of the key executables that is a bare name could be.
const DIRECTORIES = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/** The part of a section of jk_lsh.ini that the rules for a program depend on. */
export interface SectionFacts {
  readonly name: ByteString;
  /** The key `paths`. */
  readonly directories: readonly ByteString[] | undefined;
  /** The same, as the remedies for the programs before this one write it: the last of them is right for all. */
  suggested: readonly ByteString[];
  /** The key `allow_spawn_options`: known servers may start any program. */
  readonly free: boolean;
  /** The kernel lets a known program execute only what its row of the table says. */
  readonly limited: boolean;
  /** The jail has none of its programs. */
  readonly lacksAll: boolean;
  /** The key `environment` has a HOME. */
  readonly setsHome: boolean;
}

/** Checks a program in the key `executables`. */
export function lintProgram(item: ListItem, section: SectionFacts, context: LintContext) {
  const { world, report } = context;
  const path = item.value;
  if (reportSeparators(item, (one) => world.lookUp(one) !== undefined, report)) return;
  if (!path.startsWith("/")) return reportRelative(item, context);
  if (!lintPathForm(item, report)) return;
  const file = world.lookUp(path);
  if (file === undefined) {
    const command = world.copyCommand(path);
    const isLost = command === undefined && section.lacksAll;
    const away: Fix = isLost ? { kind: "none" } : { kind: "item", old: path };
    const fix: Fix = command === undefined ? away : { kind: "command", text: command };
    const ways = isLost ? ", nor does another one of 'executables': bring it back, or name others" : "";
    report(item, "error", "no-such-path", `${quoted(path)} does not exist${ways}`, fix);
  } else if (file.type !== "file" || !file.executable) {
    const text = world.executableCommand(path);
    const fix: Fix = file.type === "file" ? { kind: "command", text } : { kind: "item", old: path };
    report(item, "error", "not-executable", `${quoted(path)} is not an executable file`, fix);
  } else {
    const fault = world.startFault(path);
    const text = fault?.command;
    const fix: Fix = text === undefined ? { kind: "none" } : { kind: "command", text };
    const message = `${quoted(path)} cannot start in the jail: ${fault?.why}`;
    if (fault !== undefined) report(item, "error", "not-executable", message, fix);
  }
  const warnings = programWarnings(path, world.files, section.free, section.limited);
  for (const { message, advice, spawns } of warnings) {
    const lines = ["allow_spawn_options = 0"];
    const fix: Fix = spawns
      ? { kind: "in-section", section: section.name, lines }
      : { kind: "item", old: path };
    report(item, "warning", "starts-programs", `${message}; ${advice}`, fix);
  }
  lintKnown(item, section, context);
  if (file?.type === "file" && file.executable) lintSearch(item, section, context);
}

function reportRelative(item: ListItem, { world, report }: LintContext): void {
  const path = item.value;
  const found = DIRECTORIES.map((one) => `${one}/${path}`).find((one) => world.lookUp(one)?.type === "file");
  const fix: Fix = path.includes("\n") ? { kind: "comma" } : { kind: "item", old: path, with: found };
  const message = `${quoted(path)} ${pathFault(path)}, and is never run: the directory of the user would decide what it is`;
  report(item, "error", "relative-executable", message, fix);
}

/** What the table of programs, or the file itself, shows of a program. */
function lintKnown(item: ListItem, section: SectionFacts, { world, report }: LintContext): void {
  const path = item.value;
  const program = recognise(path, world.files);
  const fix: Fix = { kind: "item", old: path };
  const isKnown = program.rows.length > 0;
  const limited = section.limited && !section.free;
  const stopped = limited ? ownStartWarning(path, program, world.ownStart(path)) : undefined;
  if (stopped !== undefined) {
    const severity = stopped.certain ? "error" : "warning";
    report(item, severity, "not-executed", `${stopped.message}; ${stopped.advice}`, fix);
  }
  const original = isKnown || section.free ? undefined : world.copyOfKnown(path);
  if (original !== undefined) {
    const message = `${quoted(path)} is a copy of ${quoted(original)}, which jk_lsh does not know under this name: nothing keeps it from starting programs`;
    const remedy = "name the program by its own name, or by a symbolic link to it";
    report(item, "warning", "unknown-copy", `${message}; ${remedy}`, { ...fix, with: original });
  } else if (!section.setsHome && !isKnown && world.readsPopt(path)) {
    const message = `${quoted(path)} becomes any program that the user names in ~/.popt; set HOME in the key environment to a directory that root alone can write`;
    report(item, "warning", "starts-programs", message, fix);
  }
}

/** jk_lsh takes the first file in `paths` for a bare name, and compares its path with `executables`. */
function lintSearch(item: ListItem, facts: SectionFacts, { world, report }: LintContext): void {
  const { directories } = facts;
  if (directories === undefined) return;
  const path = item.value;
  const name = baseName(path);
  // A fault in the form of a directory is reported there.
  const candidates = directories.map((one) => `${(plainForm(one) ?? one).replace(/\/$/, "")}/${name}`);
  const first = candidates.find((candidate) => world.lookUp(candidate)?.type === "file");
  if (first === path) return;
  const own = parentOf(path);
  facts.suggested = [own, ...facts.suggested.filter((one) => one.replace(/\/$/, "") !== own)];
  const lines = [`paths = ${facts.suggested.join(", ")}`];
  const fix: Fix = { kind: "in-section", section: facts.name, lines };
  const how = `a user has to type ${quoted(path)}`;
  if (first === undefined) {
    report(item, "warning", "not-in-paths", `${quoted(name)} is not found in paths; ${how}`, fix);
  } else {
    const message = `${quoted(name)} is found as ${quoted(first)}, which is not the same; ${how}`;
    report(item, "warning", "other-in-paths", message, fix);
  }
}
