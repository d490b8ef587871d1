import { quoted } from "../cli/display.ts";
import type { Fix, IniSection } from "../config/model.ts";
import { keyPlace } from "../config/model.ts";
import { ALLOW, type AllowName, serviceOf, wordFiles } from "../known-programs/allow/table.ts";
import type { AllowWord } from "../known-programs/allow/word.ts";
import { isFileIn, readPrograms } from "./commands.ts";
import { type LintContext, ownItems } from "./context.ts";

const wordOf = (name: AllowName): AllowWord => ALLOW[name];

/** The key `allow` of a section of jk_lsh.ini: programs that are missing, and keys that do not fit the words. */
export function lintAllow(section: IniSection, { world, report }: LintContext): void {
  const { allow = [], paths, read, write, executables, listed } = readPrograms(section, world);
  const isFile = isFileIn(world);
  const items = ownItems(section, "allow");
  for (const [at, name] of allow.entries()) {
    const { files, missing } = wordFiles(name, paths, isFile);
    const item = items[at] ?? { ...keyPlace(section, "allow"), value: name };
    if (allow.indexOf(name) < at) {
      report(item, "warning", "duplicate-item", `${quoted(name)} is here twice`, { kind: "item", old: name });
    }
    for (const program of missing) {
      const usual = serviceOf(name).directories.map((directory) => `${directory}/${program}`);
      const text = usual.map((path) => world.copyCommand(path)).find((command) => command !== undefined);
      // Without its word, a program of the same name in executables would be free.
      const away: Fix = listed ? { kind: "none" } : { kind: "item", old: name };
      const fix: Fix = text === undefined ? away : { kind: "command", text };
      const message = `${quoted(name)} needs ${quoted(program)}, which is not here`;
      report(item, "warning", "no-such-path", message, fix);
    }
    for (const path of listed ? files.filter((one) => executables.includes(one)) : []) {
      const place = ownItems(section, "executables").find(({ value }) => value === path) ?? item;
      const message = `${quoted(path)} obeys ${quoted(name)} of the key allow, and need not be in executables`;
      report(place, "warning", "unused-command", message, { kind: "item", old: path });
    }
  }
  const mayWrite = write !== undefined && (write === "all" || write.length > 0);
  if (allow.length > 0 && !listed && mayWrite && allow.every((name) => wordOf(name).readOnly)) {
    const message = "'write' has no effect: the words of the key allow only read";
    report(keyPlace(section, "write"), "warning", "unused-key", message, { kind: "disable" });
  }
  const writer = allow.find((name) => wordOf(name).needsWrite);
  if (writer !== undefined && read !== undefined && write === undefined) {
    const message = `${quoted(writer)} can write nothing: with read, only the places of the key write are written`;
    // Where it is to write is the administrator's to say: a line to type must allow nothing more than before.
    const fix: Fix = { kind: "in-section", section: section.name, lines: ["write = none"] };
    report(keyPlace(section, "allow"), "warning", "unused-key", message, fix);
  }
}
