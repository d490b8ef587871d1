import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import type { Stat } from "../../../ffi/files.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { octal } from "../../cli/octal.ts";
import { below } from "../../system/mountinfo.ts";
import { HOME, isGoneName } from "./gone-home.ts";
import { closeAside, leftAside, settleAside } from "./home-aside.ts";
import { leftCopy, placeLeftCopy, removeLeftCopy } from "./home-copy.ts";
import { isHeld, knownPlace, releasePlace, syncPlace, takePlace } from "./home-place.ts";
import { homeOf, isAside, type Noted, type Rest, removeRest, restOf } from "./home-rest.ts";
import { isClosedFrom, modeBefore, reopenTop } from "./home-top.ts";
import { lookUp, withTree } from "./look.ts";
import { topAbove, topOf, UNKNOWN_TOP } from "./mount-top.ts";
import { forFree, type Held, isAnyNote } from "./move-notes.ts";
import { exchangeFindings } from "./safety.ts";
import { mountRemedy } from "./unmounted.ts";
import { type JailRoot, joinPath, withDirectory } from "./walk.ts";

/** The directory in which a run that was killed has left a home, or a copy of one. */
interface Box {
  /** On the host. */
  readonly path: ByteString;
  /** What a run that mends does with it: "place": the home gets its new place; "back": its old one; "remove": it was a copy. Undefined: nothing, as it is not known what is right. */
  readonly goes: "place" | "back" | "remove" | undefined;
  /** The new place of the home. */
  readonly to: ByteString;
}

/** What a run that was killed while it moved a home has left. */
export interface LeftMove {
  /** The account had this name. */
  readonly name: ByteString;
  /** The home, on the host. */
  readonly home: ByteString;
  /** The directory that is there. */
  readonly stat: Stat | undefined;
  /** The mode that it had, if it is still closed to others, and will be opened. */
  readonly mode: number | undefined;
  readonly box: Box | undefined;
  /** The home, if its copy has its place. */
  readonly rest: Rest | undefined;
}

function boxOf(tree: JailRoot, noted: Noted): Box | undefined {
  const { home, box: path, both } = noted;
  if (path === "") return undefined;
  const box = { path, to: both?.to ?? "" };
  const which = answered(() => homeOf(noted));
  if (isAside(noted)) {
    const isIn = answered(() => lookUp(tree, joinPath(path, HOME))?.stat.ino === both?.homeInode) === true;
    if (!isIn) return undefined;
    if (which === undefined || which === "after") return { ...box, goes: which && "place" };
    return { ...box, goes: lookUp(tree, home) === undefined ? "back" : undefined };
  }
  const left = answered(() => leftCopy(tree, path));
  if (left === undefined) return undefined;
  if (left.home === undefined || isGoneName(baseName(path))) return { ...box, goes: "remove" };
  const isWhole = left.home.ino === both?.copyInode;
  if (which === "after" && isWhole) return { ...box, goes: "place" };
  // It may be all that there is of the home.
  const there = answered(() => lookUp(tree, home))?.stat;
  const isHomeThere = there !== undefined && (both === undefined || there.ino === both.homeInode);
  const isNeeded = which === undefined || which === "after" || !isHomeThere;
  return { ...box, goes: isNeeded ? undefined : "remove" };
}

/** What is left of a move. Throws JailkitError. */
export function leftOf(tree: JailRoot, noted: Noted): LeftMove {
  const { home, account } = noted;
  const noteOf = (fd: number) =>
    noted.mode !== undefined && isClosedFrom(fd, noted.mode) ? noted.mode : undefined;
  const now = answered(() =>
    withDirectory(tree, home, ({ fd, stat }) => ({ stat, mode: modeBefore(fd, false) ?? noteOf(fd) })),
  );
  const box = boxOf(tree, noted);
  const isAlone = box === undefined || box.goes === "remove";
  const rest = isAlone ? answered(() => restOf(tree, noted)) : undefined;
  // One that goes stays closed.
  const mode = isAlone && rest === undefined ? now?.mode : undefined;
  return { name: account.name, home, stat: now?.stat, mode, box, rest };
}

/** True if there is anything left. */
export const isAnyLeft = ({ mode, box, rest }: LeftMove): boolean =>
  mode !== undefined || box !== undefined || rest !== undefined;

/** Which moves somebody asks about: those of an account, and those with something at, in or above one of these places. */
interface About {
  readonly name?: ByteString;
  readonly places: readonly ByteString[];
}

function isAbout({ home, box, account, both }: Noted, { name, places }: About): boolean {
  if (account.name === name) return true;
  const paths = [home, box, both?.to ?? ""].filter((path) => path !== "");
  const meet = (one: ByteString, other: ByteString) =>
    below(one, other) !== undefined || below(other, one) !== undefined;
  return paths.some((path) => places.some((place) => meet(path, place)));
}

/** What runs that were killed have left of moves of homes, of all or of those asked about; nothing for others than root. */
export function leftMoves(about?: About): LeftMove[] {
  const found: LeftMove[] = [];
  forFree(C.LOCK_SH, (tree, { noted }) => {
    if (about === undefined || isAbout(noted, about)) found.push(leftOf(tree, noted));
  });
  return found.filter(isAnyLeft);
}

/** Removes the notes of moves of which nothing is left, and of which it is known that nothing will be found later. */
export function forgetSettled(): void {
  forFree(C.LOCK_EX, (tree, { noted, remove }) => {
    if (isSettled(tree, noted)) remove();
  });
}

/** What a run that mends a move removes, on the host. */
export const leftPaths = ({ box, rest }: Pick<LeftMove, "box" | "rest">): ByteString[] =>
  [box?.goes === "remove" ? box.path : undefined, rest?.path].filter((path) => path !== undefined);

/** The paths in a jail, as it sees them, of what is left there, and is removed when that is mended. */
export const leftCopiesIn = (jail: ByteString): ByteString[] =>
  leftMoves({ places: [jail] })
    .flatMap(leftPaths)
    .flatMap((path) => below(path, jail) ?? []);

/** True if a directory of the host is one that the next run removes before it moves a home: a rest, or what keeps a place. */
export const isLeftAt = (path: ByteString): boolean =>
  leftMoves({ places: [path] }).some(
    ({ rest, box }) => rest?.path === path || (box?.goes === "remove" && box.to === path && isHeldAt(path)),
  );

/** True for an empty directory that keeps the place of a home. */
const isHeldAt = (path: ByteString): boolean =>
  answered(() =>
    withTree((tree) => {
      const stat = lookUp(tree, path)?.stat;
      return stat !== undefined && isHeld(stat);
    }),
  ) === true;

/** True for a directory with a copy that no run removes as a part of one. */
export const isLeftWhole = (path: ByteString): boolean =>
  leftMoves({ places: [path] }).some(({ box }) => box?.path === path && box.goes !== "remove");

/** Where a run that was killed has left the home that gets this place in a jail; undefined for any other place. */
export function awaitedAt(root: JailRoot, home: ByteString): ByteString | undefined {
  if (!isAnyNote()) return undefined;
  const place = knownPlace(root, home);
  const found = leftMoves({ places: [place] }).find(({ box }) => box?.goes === "place" && box.to === place);
  return found?.box && joinPath(found.box.path, HOME);
}

/** Which of what is left is mended: all by default. */
interface Wanted {
  /** A move of this home alone. */
  readonly only?: ByteString;
  /** Moves that have left something in this jail alone. */
  readonly into?: ByteString;
  readonly about?: About;
  /** The home that stays closed. */
  readonly but?: ByteString;
  /** What cannot be mended is told by others, each time. */
  readonly mayFail?: boolean;
}

/**
 * Goes on where runs were killed that moved homes: opens homes that they have closed, brings homes to their places, and removes what
 * is left of copies, and of homes that were copied. Returns what was done, printable. Throws SystemError, JailkitError when the others
 * are mended.
 */
export function mendMoves(wanted: Wanted = {}): string[] {
  const steps: string[] = [];
  const failures: unknown[] = [];
  forFree(C.LOCK_EX, (tree, held) => {
    try {
      if (mend(tree, held, wanted, steps)) held.remove();
    } catch (error) {
      failures.push(error);
    }
  });
  if (wanted.mayFail !== true && failures.length > 0) throw failures[0];
  return steps;
}

/**
 * Throws JailkitError for homes, and places of new ones, of which a run that was killed has left something that cannot be removed:
 * the note says what tells both apart, and another move would write over it.
 */
export function requireNoRest(paths: readonly ByteString[]): void {
  for (const { home, rest, box } of leftMoves({ places: paths })) {
    const place = rest?.path ?? box?.path;
    if (
      place === undefined ||
      ![home, rest?.to, box?.to].some((path) => path !== undefined && paths.includes(path))
    )
      continue;
    const message = `${quoted(place)} was left by a run that was killed while it moved ${quoted(home)}: see what jk_check says of it`;
    throw new JailkitError("home-changed", 1, message, undefined, "jk_check");
  }
}

/** True if nothing is left of a move that is wanted. */
function mend(tree: JailRoot, held: Held, { only, into, about, but }: Wanted, steps: string[]): boolean {
  const { noted } = held;
  const { home } = noted;
  if ((only !== undefined && home !== only) || (about !== undefined && !isAbout(noted, about))) return false;
  const left = leftOf(tree, noted);
  const { mode, box } = left;
  if (into !== undefined && !leftPaths(left).some((path) => below(path, into) !== undefined)) return false;
  // The next run that moves it finds only a mode that is on it.
  if (mode !== undefined && (home !== but || noted.mode !== undefined)) {
    withDirectory(tree, home, ({ fd }) => reopenTop(fd, mode));
    steps.push(`${quoted(home)} has the mode ${octal(mode)} again`);
  }
  if (box !== undefined) {
    const step = mendBox(tree, noted, box);
    if (step === undefined) return false;
    steps.push(step);
  }
  const rest = restOf(tree, noted);
  if (rest !== undefined) {
    // Whatever becomes of the copy: from now on the home is not whole.
    held.write({ ...noted, isPlaced: true });
    try {
      // The run that was killed may not have come to it.
      syncPlace(tree, rest.to);
      removeRest(tree, rest, held.copied());
    } catch (error) {
      held.write({ ...noted, isPlaced: true, isTold: true });
      throw error;
    }
    steps.push(`removed ${quoted(rest.path)}`);
  }
  return isSettled(tree, noted);
}

/** Why nothing is done with what is in a directory, printable. */
export const whyBoxStays = ({ home }: Pick<LeftMove, "home">, { path, to }: Box): string => {
  const places = to === "" ? quoted(home) : `${quoted(home)} and ${quoted(to)}`;
  return `${quoted(path)} stays, since it may hold the only copy of a home: compare it with ${places}`;
};

/** What was done with what is in a directory, printable; undefined if another run works on it. */
function mendBox(tree: JailRoot, noted: Noted, box: Box): string | undefined {
  const { home, both } = noted;
  const { path, goes, to } = box;
  if (goes === undefined) throw new JailkitError("home-aside", 1, whyBoxStays({ home }, box));
  // Nobody else could take the place meanwhile.
  if (goes !== "place" && to !== "") answered(() => releasePlace(tree, to));
  if (goes === "remove") return removeLeftCopy(tree, path) ? `removed ${quoted(path)}` : undefined;
  const inode = both?.copyInode ?? 0n;
  const place = goes === "place" ? to : undefined;
  for (const one of [home, place ?? home])
    if (exchangeFindings(tree, directoryOf(one)).length > 0) {
      const message = `${quoted(path)} stays, since others could exchange ${quoted(one)}`;
      throw new JailkitError("unsafe-parent", 1, message);
    }
  if (!isAside(noted)) {
    if (!placeLeftCopy(tree, path, inode, (copy) => takePlace(tree, copy, to))) return undefined;
    syncPlace(tree, to);
  } else {
    const aside = leftAside(tree, home, ({ ino }) => ino === inode, false);
    if (aside === undefined) return undefined;
    try {
      settleAside(aside, tree, place);
    } finally {
      closeAside(aside);
    }
  }
  return place === undefined
    ? `put ${quoted(home)} back, which an interrupted run had put aside`
    : `moved ${quoted(home)} to ${quoted(place)}, as an interrupted run had begun`;
}

/** True if it is known that nothing is left to be told later. */
function isSettled(tree: JailRoot, noted: Noted): boolean {
  const { home, box, both, tops } = noted;
  const inJail = box === "" ? undefined : { path: both?.to ?? box, top: tops.box };
  // It may be on a file system that fstab(5) does not name. An account that has its home needs none of the other one.
  const isAway = ({ path, top }: { readonly path: ByteString; readonly top: ByteString }) => {
    const there = answered(() => withDirectory(tree, path, ({ fd }) => topOf(fd)));
    if (there !== undefined) return top !== UNKNOWN_TOP && there !== UNKNOWN_TOP && there !== top;
    if (lookUp(tree, path) !== undefined) return false;
    return mountRemedy(path) !== undefined || top === UNKNOWN_TOP || topAbove(tree, path) !== top;
  };
  if (isAway({ path: home, top: tops.home })) return false;
  if (inJail !== undefined && isAway(inJail) && homeOf(noted) !== "before") return false;
  return !isAnyLeft(leftOf(tree, noted));
}
