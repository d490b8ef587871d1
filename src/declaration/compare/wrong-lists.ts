import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import type { FaultText } from "../change.ts";
import type { DeclaredJail } from "../model.ts";
import type { JailOnce, JailState } from "./jail-state.ts";
import type { Machine } from "./machine.ts";

const LISTS = ["sections", "files", "live"] as const;

type List = (typeof LISTS)[number];

/**
 * The lists of a jail that would lose an item, and have one that this machine does not have: it may be the lost one, misspelt.
 * What the jail has is not misspelt.
 */
export function wrongLists(
  { sections, files, live = [] }: DeclaredJail,
  state: JailState,
  once: JailOnce | undefined,
  machine: Pick<Machine, "pathOf" | "has" | "sections">,
): List[] {
  if (once === undefined) return [];
  const declared = { sections, files: files.map((name) => machine.pathOf(name) ?? name), live };
  const isThere = (list: List, name: ByteString) =>
    (state[list].has(name) && !state.unfinished.has(name)) ||
    (list === "sections"
      ? machine.sections()?.sections.some((section) => section.name === name) !== false
      : machine.has(name));
  return LISTS.filter(
    (list) =>
      once[list].some((name) => !declared[list].includes(name)) &&
      !declared[list].every((name) => isThere(list, name)),
  );
}

/** What was declared once, as if wrong lists had been empty: nothing is taken out of them. */
export const withoutLists = (once: JailOnce | undefined, wrong: readonly List[]): JailOnce | undefined =>
  once && { ...once, ...Object.fromEntries(wrong.map((list) => [list, []])) };

/** An error of a list, with the lists out of which nothing is taken because of it. */
export function untilRight(why: FaultText, wrong: readonly string[]): FaultText {
  const key = why.due?.key;
  if (key === undefined || !wrong.includes(key)) return why;
  const message = `nothing is taken out of ${wrong.map(quoted).join(" and ")} until it is right: ${why.message}`;
  return { ...why, message };
}
