import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { didYouMean, editDistance, suggest } from "../cli/suggest.ts";
import { LIBRARY_DIRECTORY } from "../config/library-directory.ts";
import { type Fix, findEntry, type IniEntry, type IniSection } from "../config/model.ts";
import { readSocketdSection } from "../config/socketd-section.ts";
import { listItems } from "../config/values.ts";
import {
  badPath,
  type Item,
  itemPlace,
  type LintContext,
  mendedPath,
  pathFix,
  valuePlace,
} from "./context.ts";
import { lintSeparators } from "./separators.ts";

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
  lintNames(section, "users", context);
  lintNames(section, "groups", context);
  const includes = findEntry(section, "includesections");
  if (includes === undefined || includes.inherited) return;
  for (const item of listItems(includes)) {
    const place = itemPlace(includes, item);
    if (lintSeparators(item, includes, (name) => context.byName.has(name), context)) continue;
    if (context.byName.has(item.value)) {
      const chain = circle(section, item.value, context);
      // From each of its sections it is the same circle.
      const name = `circle ${[...new Set(chain)].sort().join(" ")}`;
      if (chain !== undefined && !context.told.has(name)) {
        context.told.add(name);
        const message = `sections include each other in a circle: ${chain.map(quoted).join(" -> ")}`;
        context.report(place, "error", "include-circle", message, { kind: "item", old: item.value });
      }
      continue;
    }
    const hint = didYouMean(item.value, [...context.byName.keys()]);
    const near = suggest(item.value, [...context.byName.keys()]);
    const message = `there is no section ${quoted(item.value)}${hint}`;
    context.report(place, "error", "unknown-section", message, { kind: "item", old: item.value, with: near });
  }
}

function lintPaths(entry: IniEntry, key: string, { report, world }: LintContext): void {
  for (const item of listItems(entry)) {
    const place = itemPlace(entry, item);
    const path = item.value;
    if (lintSeparators(item, entry, (one) => world.lookUp(one) !== undefined, { report })) continue;
    if (key === "devices") lintDevice(item, entry, { report, world });
    if (path.startsWith("$") && !path.startsWith(LIBRARY_DIRECTORY)) {
      const message = `${quoted(path)}: only ${LIBRARY_DIRECTORY} has a meaning here`;
      report(place, "error", "bad-path", message, { kind: "item", old: path });
      continue;
    }
    const relative = !path.startsWith("/") && !path.startsWith("$");
    if (relative && !ABSOLUTE_LISTS.includes(key) && !/[/\n]/.test(path)) continue;
    const bad = badPath(path.startsWith("$") ? `/${path}` : path);
    if (bad === undefined) continue;
    const program = relative ? undefined : mendedPath(path);
    const fix: Fix = path.includes("\n") ? { kind: "comma" } : { kind: "item", old: path, with: program };
    report(place, "error", "bad-path", `${quoted(path)} ${bad}`, fix);
  }
}

// Those that jails are given. A device that only other machines have is no finding.
const DEVICES = "null zero full random urandom tty ptmx console log pts shm fuse net/tun".split(" ");

/** A device that is not there, and whose name is nearly that of one that jails are given. */
function lintDevice(
  item: Item,
  entry: IniEntry,
  { report, world }: Pick<LintContext, "report" | "world">,
): void {
  const known = DEVICES.map((name) => `/dev/${name}`);
  if (!item.value.startsWith("/dev/") || known.includes(item.value) || world.lookUp(item.value) !== undefined)
    return;
  const name = item.value.slice("/dev/".length);
  const near = suggest(name, DEVICES);
  if (near === undefined) return;
  const fix: Fix = { kind: "item", old: item.value, with: `/dev/${near}` };
  const message = `${quoted(item.value)} does not exist; did you mean '/dev/${near}'?`;
  report(itemPlace(entry, item), "warning", "no-such-path", message, fix);
}

/** Accounts that jails are to know. Names differ between machines, so one of several may be missing, unless it is near. */
function lintNames(section: IniSection, key: "users" | "groups", { report, world }: LintContext): void {
  const entry = findEntry(section, key);
  if (entry === undefined || entry.inherited) return;
  const users = key === "users";
  const exists = (name: ByteString) =>
    /^\d+$/.test(name) || (users ? world.userExists(name) : world.groupExists(name));
  const items = listItems(entry);
  const none = items.length > 0 && items.every(({ value }) => !exists(value));
  for (const item of items) {
    if (exists(item.value) || lintSeparators(item, entry, exists, { report })) continue;
    const near = suggest(item.value, users ? world.userNames() : world.groupNames());
    const known = items.some(({ value }) => value === near);
    if (!none && (near === undefined || known || editDistance(near, item.value) > 1)) continue;
    const hint = near === undefined || known ? "" : `; did you mean ${quoted(near)}?`;
    const message = `there is no ${users ? "user" : "group"} ${quoted(item.value)} on this machine${hint}`;
    const fix: Fix = { kind: "item", old: item.value, with: known ? undefined : near };
    report(itemPlace(entry, item), "warning", users ? "unknown-user" : "unknown-group", message, fix);
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
function lintJailName(section: IniSection, context: LintContext): boolean {
  const { world, report } = context;
  const bad = badPath(section.name);
  if (bad !== undefined) {
    report(
      section,
      "error",
      "bad-path",
      `a section is named after a jail, and ${quoted(section.name)} ${bad}`,
      jailNameFix(section.name, context),
    );
    return false;
  }
  const file = world.lookUp(section.name);
  if (file?.type === "directory") return true;
  const what = file === undefined ? "does not exist" : "is not a directory";
  const hint = didYouMean(section.name, world.jails());
  report(
    section,
    "error",
    "no-such-path",
    `the jail ${quoted(section.name)} ${what}${hint}`,
    jailNameFix(section.name, context),
  );
  return false;
}

/** The header of the jail that was probably meant, if no other section has it; else the section goes. */
function jailNameFix(name: ByteString, { world, byName }: LintContext): Fix {
  const mended = mendedPath(name);
  const there = mended !== undefined && world.lookUp(mended)?.type === "directory" ? mended : undefined;
  const near = there ?? suggest(name, world.jails());
  if (near === undefined || near === name || byName.has(near)) return { kind: "disable-section" };
  return { kind: "line", text: `[${near}]` };
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
      if (lintSeparators(item, entry, (path) => context.world.lookUp(path) !== undefined, context)) continue;
      if (bad !== undefined)
        context.report(place, "error", "bad-path", `${quoted(item.value)} ${bad}`, pathFix(item.value));
      // Of a jail that is none it cannot be told what is in it.
      else if (!exists) continue;
      else if (item.value !== jail && !item.value.startsWith(`${jail}/`)) {
        const fix: Fix = { kind: "item", old: item.value };
        context.report(place, "error", "not-in-jail", `${quoted(item.value)} is not in the jail`, fix);
      } else if (context.world.lookUp(item.value) === undefined) {
        const fix: Fix = { kind: "item", old: item.value };
        context.report(place, "warning", "no-such-path", `${quoted(item.value)} does not exist`, fix);
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
      const fix = pathFix(item.value);
      context.report(itemPlace(entry, item), "error", "bad-path", `${quoted(item.value)} ${bad}`, fix);
    }
  }
}

/** Checks jk_socketd.ini. */
export function lintSocketd(section: IniSection, { world, report }: LintContext): void {
  const { name } = section;
  const bad = badPath(name);
  const parent = name.slice(0, Math.max(1, name.lastIndexOf("/")));
  if (bad !== undefined) {
    const mended = mendedPath(name);
    const fix: Fix =
      mended === undefined ? { kind: "disable-section" } : { kind: "line", text: `[${mended}]` };
    report(
      section,
      "error",
      "bad-path",
      `a section is named after a socket, and ${quoted(name)} ${bad}`,
      fix,
    );
  } else if (name.length > LONGEST_SOCKET) {
    const message = `${quoted(name)} is longer than ${LONGEST_SOCKET} bytes, which no socket can be`;
    report(section, "error", "too-long", message, { kind: "disable-section" });
  } else if (world.lookUp(parent)?.type !== "directory") {
    const fix: Fix = { kind: "disable-section" };
    report(section, "error", "no-such-path", `the directory ${quoted(parent)} does not exist`, fix);
  }
  const { problems, peak: taken } = readSocketdSection(section);
  const peak = findEntry(section, "peak");
  const clash = problems.find((problem) => problem.code === "peak-under-base");
  if (clash !== undefined) {
    const fix: Fix =
      peak === undefined
        ? { kind: "in-section", section: name, lines: [`peak = ${taken}`] }
        : { kind: "value", text: `${taken}` };
    report(peak === undefined ? section : valuePlace(peak), "warning", clash.code, clash.message, fix);
  }
}
