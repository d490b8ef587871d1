import type { ByteString } from "../../../ffi/bytes.ts";
import { display, quoted } from "../../cli/display.ts";
import { errorOf, JailkitError } from "../../cli/error.ts";
import { told } from "../../cli/remedy.ts";
import { noRoom } from "../../jail/fs/no-room.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { requireMountPlace } from "../../jail/record/live.ts";
import { requireLogSocket } from "../../populate/apply/foresee.ts";
import { LIVE_SECTION, requireLivePlaces } from "../../populate/apply/live.ts";
import { requireLiveLines, requireNoLiveLines } from "../../populate/apply/live-lines.ts";
import { requireProcLine } from "../../populate/apply/proc.ts";
import { noSuchSection, sectionNames } from "../../profile/sections.ts";
import { below } from "../../system/mountinfo.ts";
import { SECTIONS_FILE } from "../../transfer/sections.ts";
import { requireNoLogSocket, requireNoProc } from "../../update/remove-extras.ts";
import { type Change, PROGRESS } from "../change.ts";
import { dueTo, withDue } from "../due.ts";
import { isBareHere, lackedFiles, meantSections, remedyOfItems } from "../list-fixes.ts";
import type { DeclaredJail } from "../model.ts";
import { itemsOf } from "../section.ts";
import type { Machine } from "./machine.ts";

const FILLING: readonly Change["what"][] = ["sections", "files", "live"];

/** A call of the tool that brings files into a jail. */
interface Filling {
  readonly tool: "jk_init" | "jk_cp";
  readonly changes: readonly Change[];
  /** The sections or files, as they are declared, and the section that comes with live directories. */
  readonly names: readonly ByteString[];
  /** Besides the options of a whole run. */
  readonly args: readonly ByteString[];
}

/** The calls that bring what is planned into a jail, in their order. Pure. */
export function fillingsOf(path: ByteString, changes: readonly Change[]): Filling[] {
  const of = (...what: readonly Change["what"][]) =>
    changes.filter((change) => change.action === "create" && what.includes(change.what));
  const items = (what: Change["what"]) => of(what).flatMap((change) => change.items);
  const [sections, files, live] = [items("sections"), items("files"), items("live")];
  const mount = live.length === 0 ? [] : [`--live=${live.join(",")}`];
  const all: Filling[] = [
    {
      ...{ tool: "jk_init", changes: of("live", "sections") },
      names: live.length === 0 ? sections : [LIVE_SECTION, ...sections],
      args: [...mount, "-j", path, "--", ...sections],
    },
    { tool: "jk_cp", changes: of("files"), names: files, args: ["--init", "-j", path, "--", ...files] },
  ];
  return all.filter((one) => one.changes.length > 0);
}

/** The changes that bring files into a jail. */
export const fillingOf = (changes: readonly Change[]): Change[] =>
  changes.filter(({ action, what }) => action === "create" && FILLING.includes(what));

/**
 * Throws JailkitError for sections and files that do not exist, or files of this machine that cannot be written for the jail.
 * What else would be refused, foreseeFilling finds.
 */
export function requireFillable(
  { path, sections, files, place }: DeclaredJail,
  changes: readonly Change[],
  machine: Machine,
): void {
  const filling = fillingOf(changes);
  if (filling.length === 0) return;
  const lost = machine.lostSections();
  if (lost !== undefined && filling.some(({ what }) => what === "sections"))
    throw withDue(new JailkitError("no-config", 1, lost), { key: "sections" });
  const added = (what: Change["what"]) => filling.flatMap((one) => (one.what === what ? one.items : []));
  const ini = machine.sections();
  const known = ini && sectionNames(ini);
  // Recorded ones that are copied again may be of another file.
  const unknown = added("sections").filter(
    (name) => sections.includes(name) && ini?.sections.every((section) => section.name !== name),
  );
  const missing = added("files").filter((operand) => files.includes(operand) && !machine.has(operand));
  const messages = [
    ...unknown.map((name) => noSuchSection(name, known ?? [], SECTIONS_FILE)),
    ...missing.map(missingFile),
  ];
  if (messages.length === 0) {
    const needs = machine.needsOf(added("sections"));
    dueTo({ key: "sections" }, () => {
      if (needs.logSocket) required(path, requireLogSocket);
      if (needs.proc) required(path, requireProcLine);
    });
    return;
  }
  const isSections = unknown.length > 0;
  const key = isSections ? "sections" : "files";
  const wrong = isSections ? unknown : missing;
  const listOf = (list: typeof key) => (place.section === undefined ? [] : itemsOf(place.section, list));
  const lacked = lackedFiles(listOf("files"), machine.has, isBareHere);
  const ways = listOf("files").flatMap((item) => (missing.includes(item.value) ? lacked(item).ways : []));
  const items = listOf(key);
  const fix = remedyOfItems(
    items.filter(({ value }) => wrong.includes(value)),
    isSections ? meantSections(items, known ?? []) : (item) => lacked(item).fix,
  );
  const code = isSections ? "no-such-section" : "no-such-path";
  // Of both keys one would not be all.
  const isAll = wrong.length === messages.length;
  const { message, remedy } = told(messages.join("; ") + (ways.find(Boolean) ?? ""), (isAll && fix) || "");
  const error = new JailkitError(code, 1, message, undefined, remedy);
  throw withDue(error, { key, item: messages.length === 1 ? wrong[0] : undefined });
}

const missingFile = (operand: ByteString): string =>
  operand.includes("/")
    ? `${display(operand)} does not exist`
    : `${quoted(operand)} is no program of this machine`;

/**
 * Throws the JailkitError with which directories would not become live while others go: the dry run of jk_init sees the jail
 * of before. What is in one that goes, or holds it, is not known. `liveOf`: all directories that named ones bring.
 */
export function requireLivePlace(
  root: JailRoot,
  changes: readonly Change[],
  liveOf: (named: readonly ByteString[]) => readonly ByteString[],
): void {
  const items = (which: Change["action"]) =>
    changes.flatMap((change) => (change.what === "live" && change.action === which ? change.items : []));
  const [comes, goes] = [items("create"), items("remove")];
  if (comes.length === 0 || goes.length === 0) return;
  const isApart = (path: ByteString) =>
    goes.every((one) => below(one, path) === undefined && below(path, one) === undefined);
  requireLivePlaces(root, liveOf(comes).filter(isApart));
}

/** Throws the JailkitError with which recorded directories would not be mounted. */
export function requireMountPlaces(root: JailRoot, changes: readonly Change[]): void {
  for (const { what, action, items } of changes)
    if (what === "mounts" && action === "create")
      for (const item of items) dueTo({ key: "live", item }, () => requireMountPlace(root, item));
}

/** Throws the JailkitError of what `require` throws about a file that cannot be written. */
function required(jail: ByteString, require: (jail: ByteString) => void): void {
  try {
    require(jail);
  } catch (error) {
    const why = noRoom(error, jail, { left: [], progress: PROGRESS });
    throw why === undefined ? error : errorOf(why);
  }
}

/**
 * Throws the JailkitError with which the log socket of a jail would not come or go, or /etc/fstab not be changed. `left`: the
 * live directories of a jail of before, whose lines go when it is filled.
 */
export function requireExtras(
  { path, live = [] }: DeclaredJail,
  changes: readonly Change[],
  left: readonly ByteString[],
): void {
  const those = (action: Change["action"], ...which: readonly Change["what"][]) =>
    changes.filter((one) => one.action === action && which.includes(one.what));
  const items = (action: Change["action"]) => those(action, "live", "mounts").flatMap((one) => one.items);
  const requiredOf = (key: string, require: typeof requireProcLine) =>
    dueTo({ key }, () => required(path, require));
  if (those("create", "log-socket").length > 0) requiredOf("log_socket", requireLogSocket);
  if (those("create", "proc").length > 0) requiredOf("proc", requireProcLine);
  if (those("remove", "proc").length > 0) requiredOf("proc", requireNoProc);
  if (those("remove", "log-socket").length > 0) requiredOf("log_socket", requireNoLogSocket);
  const goes = left.filter((one) => !live.includes(one));
  const [add, remove] = [items("create"), [...items("remove"), ...goes]];
  // Nearly always nothing: the file is not read again for each jail.
  if (add.length > 0) requiredOf("live", (jail) => requireLiveLines(jail, add));
  if (remove.length > 0) requiredOf("live", (jail) => requireNoLiveLines(jail, remove));
}
