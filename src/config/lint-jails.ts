import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { didYouMean } from "../cli/suggest.ts";
import { LIBRARY_DIRECTORY } from "./init-schema.ts";
import { badPath, itemPlace, type LintContext, valuePlace } from "./lint-context.ts";
import { findEntry, type IniEntry, type IniSection } from "./model.ts";
import { readSocketLimits } from "./socketd-schema.ts";
import { listItems } from "./values.ts";

// sun_path of unix(7), with its NUL
const LONGEST_SOCKET = 107;

const PATH_LISTS = [
  "paths",
  "libraries",
  "executables",
  "regularfiles",
  "directories",
  "paths_w_owner",
  "paths_w_setuid",
  "emptydirs",
  "devices",
];
// These are not looked for in $PATH.
const ABSOLUTE_LISTS = ["paths_w_owner", "paths_w_setuid", "emptydirs", "devices"];

/** Checks jk_init.ini. Paths are patterns for many machines, so one that does not exist here is no finding. */
export function lintInit(section: IniSection, context: LintContext): void {
  for (const key of PATH_LISTS) {
    const entry = findEntry(section, key);
    if (entry !== undefined && !entry.inherited) lintPaths(entry, key, context);
  }
  const includes = findEntry(section, "includesections");
  if (includes === undefined || includes.inherited) return;
  for (const item of listItems(includes)) {
    const place = itemPlace(includes, item);
    if (context.byName.has(item.value)) {
      const chain = circle(section, item.value, context);
      if (chain !== undefined) {
        const message = `sections include each other in a circle: ${chain.map(quoted).join(" -> ")}`;
        context.report(place, "error", "include-circle", message);
      }
      continue;
    }
    const hint = didYouMean(item.value, [...context.byName.keys()]);
    const message = `there is no section ${quoted(item.value)}${hint}`;
    context.report(place, "error", "unknown-section", message);
  }
}

function lintPaths(entry: IniEntry, key: string, { report }: LintContext): void {
  for (const item of listItems(entry)) {
    const place = itemPlace(entry, item);
    const path = item.value;
    if (path.startsWith("$") && !path.startsWith(LIBRARY_DIRECTORY)) {
      const message = `${quoted(path)}: only ${LIBRARY_DIRECTORY} has a meaning here`;
      report(place, "error", "bad-path", message);
      continue;
    }
    const relative = !path.startsWith("/") && !path.startsWith("$");
    if (relative && !ABSOLUTE_LISTS.includes(key) && !/[/\n]/.test(path)) continue;
    const bad = badPath(path.startsWith("$") ? `/${path}` : path);
    if (bad !== undefined) report(place, "error", "bad-path", `${quoted(path)} ${bad}`);
  }
}

/** The chain of includes from `start` through `next` back to `start`, if there is one. */
function circle(start: IniSection, next: ByteString, { byName }: LintContext): ByteString[] | undefined {
  const seen = new Set<ByteString>();
  const walk = (name: ByteString): ByteString[] | undefined => {
    if (name === start.name) return [name];
    if (seen.has(name)) return undefined;
    seen.add(name);
    const includes = findEntry(byName.get(name), "includesections");
    for (const item of includes === undefined ? [] : listItems(includes)) {
      const rest = walk(item.value);
      if (rest !== undefined) return [name, ...rest];
    }
    return undefined;
  };
  const rest = walk(next);
  return rest === undefined ? undefined : [start.name, ...rest];
}

/** The name of a section is the absolute path of a jail that exists. Returns false where it is not. */
function lintJailName(section: IniSection, { world, report }: LintContext): boolean {
  const bad = badPath(section.name);
  if (bad !== undefined) {
    report(
      section,
      "error",
      "bad-path",
      `a section is named after a jail, and ${quoted(section.name)} ${bad}`,
    );
    return false;
  }
  const file = world.lookUp(section.name);
  if (file?.type === "directory") return true;
  const what = file === undefined ? "does not exist" : "is not a directory";
  report(section, "error", "no-such-path", `the jail ${quoted(section.name)} ${what}`);
  return false;
}

/** Checks jk_check.ini. */
export function lintCheck(section: IniSection, context: LintContext): void {
  const exists = lintJailName(section, context);
  const jail = section.name.replace(/\/+$/, "");
  for (const entry of section.entries) {
    if (!entry.key.startsWith("ignore") || entry.inherited) continue;
    for (const item of listItems(entry)) {
      const place = itemPlace(entry, item);
      const bad = badPath(item.value);
      if (bad !== undefined) context.report(place, "error", "bad-path", `${quoted(item.value)} ${bad}`);
      else if (item.value !== jail && !item.value.startsWith(`${jail}/`)) {
        context.report(place, "error", "not-in-jail", `${quoted(item.value)} is not in the jail`);
      } else if (exists && context.world.lookUp(item.value) === undefined) {
        context.report(place, "warning", "no-such-path", `${quoted(item.value)} does not exist`);
      }
    }
  }
}

/** Checks jk_update.ini. */
export function lintUpdate(section: IniSection, context: LintContext): void {
  lintJailName(section, context);
  for (const key of ["skips", "directories"]) {
    const entry = findEntry(section, key);
    if (entry === undefined || entry.inherited) continue;
    for (const item of listItems(entry)) {
      const bad = badPath(item.value);
      if (bad === undefined) continue;
      context.report(itemPlace(entry, item), "error", "bad-path", `${quoted(item.value)} ${bad}`);
    }
  }
}

/** Checks jk_socketd.ini. */
export function lintSocketd(section: IniSection, { world, report }: LintContext): void {
  const { name } = section;
  const bad = badPath(name);
  const parent = name.slice(0, Math.max(1, name.lastIndexOf("/")));
  if (bad !== undefined) {
    report(section, "error", "bad-path", `a section is named after a socket, and ${quoted(name)} ${bad}`);
  } else if (name.length > LONGEST_SOCKET) {
    const message = `${quoted(name)} is longer than ${LONGEST_SOCKET} bytes, which no socket can be`;
    report(section, "error", "too-long", message);
  } else if (world.lookUp(parent)?.type !== "directory") {
    report(section, "error", "no-such-path", `the directory ${quoted(parent)} does not exist`);
  }
  const { problems } = readSocketLimits(section);
  const peak = findEntry(section, "peak");
  const clash = problems.find((problem) => problem.code === "peak-under-base");
  if (clash !== undefined) {
    report(peak === undefined ? section : valuePlace(peak), "warning", clash.code, clash.message);
  }
}
