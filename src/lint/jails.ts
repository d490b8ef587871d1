import type { ByteString } from "../../ffi/bytes.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { didYouMean, editDistance, suggest } from "../cli/suggest.ts";
import { type Fix, findEntry, type IniSection, keyPlace } from "../config/model.ts";
import { LIBRARY_DIRECTORY } from "../config/schemas/init.ts";
import { readSocketdSection } from "../config/schemas/socketd.ts";
import { reportSeparators } from "../config/separators.ts";
import { isListItem } from "../config/text.ts";
import { type ListItem, listItems } from "../config/values.ts";
import { SOCKET_RULE, socketDirectory } from "../jail/fs/socket-directory.ts";
import {
  jailsLike,
  type LintContext,
  lintPathForm,
  ownItems,
  pathFault,
  plainForm,
  reportAbsence,
} from "./context.ts";
import { lintRanges } from "./ranges.ts";

// Programs are searched by the names in these.
const SEARCHED_LISTS = ["paths", "libraries", "executables", "regularfiles", "directories"];
const PATH_LISTS = [...SEARCHED_LISTS, "paths_w_owner", "paths_w_setuid", "emptydirs", "devices"];

/** Checks a section of jk_init.ini. Paths are patterns for many machines, so one may be missing on this one. */
export function lintInit(section: IniSection, context: LintContext): void {
  for (const key of PATH_LISTS) for (const item of ownItems(section, key)) lintPath(item, key, context);
  for (const item of ownItems(section, "sockets")) lintSocket(item, context);
  lintNames(section, "users", context);
  lintNames(section, "groups", context);
  for (const item of ownItems(section, "includesections")) lintInclude(item, section, context);
}

function lintSocket(item: ListItem, { report }: LintContext): void {
  const isRight = (path: ByteString) => socketDirectory(path) !== undefined;
  if (isRight(item.value) || reportSeparators(item, isRight, report)) return;
  const fix: Fix = { kind: "item", old: item.value };
  report(item, "error", "bad-path", `${quoted(item.value)} ${SOCKET_RULE}`, fix);
}

function lintInclude(item: ListItem, section: IniSection, context: LintContext): void {
  const { byName, report, reported } = context;
  const { value } = item;
  if (reportSeparators(item, (name) => byName.has(name), report)) return;
  if (!byName.has(value)) {
    const names = [...byName.keys()].filter(isListItem);
    const message = `there is no section ${quoted(value)}${didYouMean(value, names)}`;
    const fix: Fix = { kind: "item", old: value, with: suggest(value, names) };
    report(item, "error", "unknown-section", message, fix);
    return;
  }
  const chain = circle(section, value, context);
  // Each of its sections has the same circle.
  const name = `circle ${[...new Set(chain)].sort().join(" ")}`;
  if (chain === undefined || reported.has(name)) return;
  reported.add(name);
  const message = `sections include each other in a circle: ${chain.map(quoted).join(" -> ")}`;
  report(item, "error", "include-circle", message, { kind: "item", old: value });
}

function lintPath(item: ListItem, key: string, { report, world }: LintContext): void {
  const path = item.value;
  if (reportSeparators(item, (one) => world.lookUp(one) !== undefined, report)) return;
  lintRanges(path, item, key, report);
  if (key === "devices") lintDevice(item, { report, world });
  if (path.startsWith("$") && !path.startsWith(LIBRARY_DIRECTORY)) {
    const message = `${quoted(path)}: only ${LIBRARY_DIRECTORY} has a meaning here`;
    report(item, "error", "bad-path", message, { kind: "item", old: path });
    return;
  }
  const relative = !path.startsWith("/") && !path.startsWith("$");
  if (relative && SEARCHED_LISTS.includes(key) && !/[/\n]/.test(path)) return;
  lintPathForm(item, report, path.startsWith("$") ? `/${path}` : path);
}

// The devices that jails are given; others may be missing on this machine.
const DEVICES = "null zero full random urandom tty ptmx console log pts shm fuse net/tun".split(" ");

/** A missing device whose name is nearly that of one that jails are given. */
function lintDevice(item: ListItem, { report, world }: Pick<LintContext, "report" | "world">): void {
  const { value } = item;
  const known = DEVICES.map((name) => `/dev/${name}`);
  if (!value.startsWith("/dev/") || known.includes(value) || world.lookUp(value) !== undefined) return;
  const near = suggest(value.slice("/dev/".length), DEVICES);
  if (near === undefined) return;
  const fix: Fix = { kind: "item", old: value, with: `/dev/${near}` };
  const message = `${quoted(value)} does not exist; did you mean '/dev/${near}'?`;
  report(item, "warning", "no-such-path", message, fix);
}

/** Accounts for jails. Names differ between machines: one of several may be missing, unless it is nearly another. */
function lintNames(section: IniSection, key: "users" | "groups", { report, world }: LintContext): void {
  const users = key === "users";
  const exists = (name: ByteString) =>
    /^\d+$/.test(name) || (users ? world.userExists(name) : world.groupExists(name));
  const items = ownItems(section, key);
  const allMissing = items.every(({ value }) => !exists(value));
  for (const item of items) {
    if (exists(item.value) || reportSeparators(item, exists, report)) continue;
    const near = suggest(item.value, users ? world.userNames() : world.groupNames());
    const listed = items.some(({ value }) => value === near);
    if (!allMissing && (near === undefined || listed || editDistance(near, item.value) > 1)) continue;
    const hint = near === undefined || listed ? "" : `; did you mean ${quoted(near)}?`;
    const message = `there is no ${users ? "user" : "group"} ${quoted(item.value)} on this machine${hint}`;
    const fix: Fix = { kind: "item", old: item.value, with: listed ? undefined : near };
    report(item, "warning", users ? "unknown-user" : "unknown-group", message, fix);
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

/** Reports a section that is not named after a jail that exists; returns whether it is. */
function lintJailName(section: IniSection, context: LintContext): boolean {
  const { world, report } = context;
  const { name } = section;
  const fault = pathFault(name);
  const file = fault === undefined ? world.lookUp(name) : undefined;
  if (file?.type === "directory") return true;
  if (fault === undefined && file === undefined && reportAbsence(section, name, context)) return false;
  const fix = jailNameFix(name, context);
  if (fault !== undefined) {
    const message = `a section is named after a jail, and ${quoted(name)} ${fault}`;
    report(section, "error", "bad-path", message, fix);
  } else {
    const reason = file === undefined ? "does not exist" : "is not a directory";
    const message = `the jail ${quoted(name)} ${reason}${didYouMean(name, jailsLike(name, world))}`;
    report(section, "error", "no-such-path", message, fix);
  }
  return false;
}

/** The header of the jail that was probably meant, if no other section has it; else the section is disabled. */
function jailNameFix(name: ByteString, { world, byName }: LintContext): Fix {
  const plain = plainForm(name);
  const there = plain !== undefined && world.lookUp(plain)?.type === "directory" ? plain : undefined;
  const near = there ?? suggest(name, jailsLike(name, world));
  if (near === undefined || near === name || byName.has(near)) return { kind: "disable-section" };
  return { kind: "line", text: `[${near}]` };
}

/** Checks a section of jk_check.ini. */
export function lintCheck(section: IniSection, context: LintContext): void {
  const { report, world } = context;
  const exists = lintJailName(section, context);
  const jail = section.name.replace(/\/+$/, "");
  const lists = section.entries.map(({ key }) => key).filter((key) => key.startsWith("ignore"));
  for (const item of lists.flatMap((key) => ownItems(section, key))) {
    const path = item.value;
    const fix: Fix = { kind: "item", old: path };
    if (reportSeparators(item, (one) => world.lookUp(one) !== undefined, report)) continue;
    if (!lintPathForm(item, report) || !exists) continue;
    if (path !== jail && !path.startsWith(`${jail}/`))
      report(item, "error", "not-in-jail", `${quoted(path)} is not in the jail`, fix);
    else if (world.lookUp(path) === undefined)
      report(item, "warning", "no-such-path", `${quoted(path)} does not exist`, fix);
  }
}

/** Checks a section of jk_update.ini. */
export function lintUpdate(section: IniSection, context: LintContext): void {
  lintJailName(section, context);
  const items = ["skips", "directories"].flatMap((key) => ownItems(section, key));
  for (const item of items) lintPathForm(item, context.report);
}

/** Checks a section of jk_socketd.ini. */
export function lintSocketd(section: IniSection, context: LintContext): void {
  const { world, report } = context;
  const { name } = section;
  const disable: Fix = { kind: "disable-section" };
  const fault = pathFault(name);
  const parent = directoryOf(name);
  if (fault !== undefined) {
    const plain = plainForm(name);
    const message = `a section is named after a socket, and ${quoted(name)} ${fault}`;
    const fix: Fix = plain === undefined ? disable : { kind: "line", text: `[${plain}]` };
    report(section, "error", "bad-path", message, fix);
  } else if (world.lookUp(parent)?.type !== "directory" && !reportAbsence(section, name, context)) {
    report(section, "error", "no-such-path", `the directory ${quoted(parent)} does not exist`, disable);
  }
  const { problems, peak } = readSocketdSection(section);
  const clash = problems.find((problem) => problem.code === "peak-under-base");
  if (clash === undefined) return;
  const fix: Fix =
    findEntry(section, "peak") === undefined
      ? { kind: "in-section", section: name, lines: [`peak = ${peak}`] }
      : { kind: "value", text: `${peak}` };
  report(keyPlace(section, "peak"), "warning", clash.code, clash.message, fix);
}
