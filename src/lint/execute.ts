import { quoted } from "../cli/display.ts";
import { readKeys } from "../config/keys.ts";
import { findEntry, type IniEntry, type IniSection } from "../config/model.ts";
import { lshKeys } from "../config/schemas/lsh.ts";
import { listItems } from "../config/values.ts";
import {
  badPath,
  itemPlace,
  type LintContext,
  pathFix,
  type SeenExecution,
  type UnsafeDirectory,
  valuePlace,
} from "./context.ts";

/** Whether the kernel can hold the known programs of a section to what they execute, and the section lets it. */
export function holdsPrograms(section: IniSection, { world }: LintContext): boolean {
  const { execute, executables = [] } = readKeys(section, lshKeys);
  if (execute === "any") return false;
  const view = world.execution(execute, executables);
  return view !== undefined && execute.every((path) => view.leftOut.some((one) => one.path === path));
}

/** The key `execute` of jk_lsh.ini: what it does not do here, and what it takes from programs. */
export function lintExecute(section: IniSection, context: LintContext): void {
  const { ini, world, report } = context;
  const entry = findEntry(section, "execute");
  const { execute, executables = [] } = readKeys(section, lshKeys);
  if (execute === "any") {
    const message = "with execute = any the programs can execute what a user has uploaded";
    report(entry === undefined ? section : valuePlace(entry), "warning", "execute-any", message, {
      kind: "disable",
    });
    return;
  }
  const view = world.execution(execute, executables);
  // The same for all sections, so it is told once.
  const first = ini.sections.find((one) => readKeys(one, lshKeys).execute !== "any");
  if (view === undefined && section === first) {
    const message =
      "this kernel has no Landlock: execute = system, which holds here, does not limit anything";
    report(section, "warning", "no-landlock", message);
  }
  if (entry !== undefined) lintNamed(entry, view?.leftOut ?? [], context);
  const list = findEntry(section, "executables");
  for (const item of list === undefined ? [] : listItems(list)) {
    if (list === undefined) return;
    const path = item.value;
    const place = itemPlace(list, item);
    const granted = world.grantedBy(path);
    if (granted !== undefined) {
      const message = `${quoted(path)} ${granted}, which has no effect unless execute = any`;
      report(place, "warning", "no-effect", message, { kind: "item", old: path });
    }
    const blocked = view?.blocked(path);
    if (blocked === undefined) continue;
    if (blocked.unsafe !== undefined) {
      tellUnsafe(blocked.unsafe, context);
      continue;
    }
    const directory = blocked.path.slice(0, blocked.path.lastIndexOf("/"));
    const message = `${quoted(path)} needs ${quoted(blocked.path)}, which may not be executed; to let it: execute = system, ${directory}`;
    const lines = [`execute = ${["system", ...execute, directory].join(", ")}`];
    report(place, "error", "not-executed", message, { kind: "in-section", section: section.name, lines });
  }
}

/** What keeps all that is in a directory from being executed is told, once, and none of what follows from it. */
function tellUnsafe({ path, because, remedy }: UnsafeDirectory, { report, told }: LintContext): void {
  if (told.has(path)) return;
  told.add(path);
  const message = `nothing in ${quoted(path)} may be executed: it ${because}`;
  const place = { file: path, line: 1, column: 1 };
  report(place, "error", "not-executed", message, { kind: "command", text: remedy });
}

/** The directories that the section names itself. */
function lintNamed(entry: IniEntry, leftOut: SeenExecution["leftOut"], context: LintContext): void {
  const { report } = context;
  for (const item of listItems(entry)) {
    if (!item.value.startsWith("/")) continue;
    const bad = badPath(item.value);
    const one = leftOut.find(({ path }) => path === item.value.replace(/\/+$/, ""));
    if (bad !== undefined)
      report(
        itemPlace(entry, item),
        "error",
        "bad-path",
        `${quoted(item.value)} ${bad}`,
        pathFix(item.value),
      );
    else if (one?.unsafe !== undefined) tellUnsafe(one.unsafe, context);
    else if (one !== undefined) {
      const message = `nothing in ${quoted(item.value)} may be executed: ${one.why}`;
      report(itemPlace(entry, item), "error", "not-executed", message, { kind: "item", old: item.value });
    }
  }
}
