import { quoted } from "../cli/display.ts";
import { readKeys } from "../config/keys.ts";
import { type Fix, type IniSection, keyPlace } from "../config/model.ts";
import { type LshSection, lshKeys } from "../config/schemas/lsh.ts";
import { isListItem } from "../config/text.ts";
import type { ListItem } from "../config/values.ts";
import { confinementOf } from "../confine/policy.ts";
import { executeLimits } from "../enter/limited/execution.ts";
import { readPrograms } from "./commands.ts";
import { type Execution, type LintContext, lintPathForm, ownItems, type UnsafeDirectory } from "./context.ts";

/** Whether the kernel can limit what the known programs of a section execute, and the section leaves it limited. */
export function limitsExecution(section: IniSection, { world }: LintContext): boolean {
  const { execute = [], executables } = readPrograms(section, world);
  if (execute === "any") return false;
  const view = world.execution(execute, executables);
  return (
    view?.limitsServers === true && execute.every((path) => view.leftOut.some((one) => one.path === path))
  );
}

/** The key `execute` of jk_lsh.ini: the part that has no effect, and the programs that it stops. */
export function lintExecute(section: IniSection, context: LintContext): void {
  const { ini, world, report } = context;
  const values = readPrograms(section, world);
  const { execute = [], executables, items } = values;
  if (executesUnprivileged(values)) lintPrivileges(items, context);
  if (execute === "any") {
    const message = "with execute = any the programs can execute what a user has uploaded";
    report(keyPlace(section, "execute"), "warning", "execute-any", message, { kind: "disable" });
    return;
  }
  const view = world.execution(execute, executables);
  // It is the same for all sections.
  const first = ini.sections.find((one) => readKeys(one, lshKeys).execute !== "any");
  if (view === undefined && section === first) {
    const message =
      "this kernel has no Landlock: execute = system, which holds here, does not limit anything";
    report(section, "warning", "no-landlock", message);
  }
  lintDirectories(section, view?.leftOut ?? [], context);
  for (const item of items) {
    const path = item.value;
    const blocked = view?.blocked(path);
    if (blocked?.unsafe !== undefined) reportUnsafe(blocked.unsafe, context);
    else if (blocked !== undefined) {
      const directory = blocked.path.slice(0, blocked.path.lastIndexOf("/"));
      const message = `${quoted(path)} needs ${quoted(blocked.path)}, which may not be executed; to allow it: execute = system, ${directory}`;
      const lines = [`execute = ${["system", ...execute, directory].join(", ")}`];
      const fix: Fix = isListItem(directory)
        ? { kind: "in-section", section: section.name, lines }
        : { kind: "none" };
      report(item, "error", "not-executed", message, fix);
    }
  }
}

/** Whether no_new_privs is set for the programs of a section. */
function executesUnprivileged(values: LshSection): boolean {
  return confinementOf(values, true, executeLimits(values, ""), "").noNewPrivs;
}

/** Programs whose privilege has no effect. */
function lintPrivileges(items: readonly ListItem[], { world, report }: LintContext): void {
  for (const item of items) {
    const path = item.value;
    const granted = world.grantedBy(path);
    if (granted === undefined) continue;
    const message = `${quoted(path)} ${granted}, which has no effect unless execute = any and confine = 0`;
    report(item, "warning", "no-effect", message, { kind: "item", old: path });
  }
}

/** Reports an unsafe directory once: nothing in it may be executed, whatever names it. */
function reportUnsafe({ path, because, remedy }: UnsafeDirectory, { report, reported }: LintContext): void {
  if (reported.has(path)) return;
  reported.add(path);
  const message = `nothing in ${quoted(path)} may be executed: it ${because}`;
  const place = { file: path, line: 1, column: 1 };
  const fix: Fix = remedy === undefined ? { kind: "none" } : { kind: "command", text: remedy };
  report(place, "error", "not-executed", message, fix);
}

/** The directories in the key `execute`. */
function lintDirectories(section: IniSection, leftOut: Execution["leftOut"], context: LintContext): void {
  const { report } = context;
  for (const item of ownItems(section, "execute")) {
    const path = item.value;
    if (!path.startsWith("/")) continue;
    if (!lintPathForm(item, report)) continue;
    const ignored = leftOut.find((one) => one.path === path.replace(/\/+$/, ""));
    if (ignored?.unsafe !== undefined) reportUnsafe(ignored.unsafe, context);
    else if (ignored !== undefined) {
      const message = `nothing in ${quoted(path)} may be executed: ${ignored.why}`;
      report(item, "error", "not-executed", message, { kind: "item", old: path });
    }
  }
}
