import type { ByteString } from "../../../ffi/bytes.ts";
import { unlinkAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, isErrno } from "../../../ffi/error.ts";
import { close, readLink, type Stat } from "../../../ffi/files.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { octal } from "../../cli/octal.ts";
import { below } from "../../system/mountinfo.ts";
import { hostUser } from "../../system/name-services.ts";
import { isCopyLeft, isCopyName, removeLeftCopy } from "./home-copy.ts";
import {
  type BothHomes,
  type Noted,
  noteText,
  type Rest,
  removeRest,
  restOf,
  type Which,
} from "./home-rest.ts";
import { isClosedFrom, modeBefore, reopenTop } from "./home-top.ts";
import { lookUp, withTree } from "./look.ts";
import { forFree, type Held, makeNotes, nameOf, openNotes, take, writeNote } from "./move-notes.ts";
import { mountRemedy } from "./unmounted.ts";
import { type JailRoot, withDirectory } from "./walk.ts";

// A run that copies a home writes down which, until it is done: of one that is killed, nothing else tells, once nobody moves
// that home again.

/** What a run that was killed while it copied a home has left. */
export interface LeftMove {
  /** The home, on the host. */
  readonly home: ByteString;
  /** The directory that is there. */
  readonly stat: Stat | undefined;
  /** The mode that it had, if it is still closed to others. */
  readonly mode: number | undefined;
  /** What there is of the copy, on the host. */
  readonly copy: ByteString | undefined;
  /** Which of the home and its complete copy is not the home of the account. */
  readonly rest: Rest | undefined;
}

/** The note of a home that this process copies. */
export interface MoveNote {
  /** Adds the mode of a home that is about to be closed, and has no room for it. */
  closes(mode: number): void;
  /** Adds the path of the copy, on the host. */
  copyAt(path: ByteString): void;
  /** Adds that the copy is complete, before it gets its name. */
  complete(both: BothHomes): void;
  /** Adds which of the two is about to be removed; undefined if that is done, or it was told that it stays. */
  removes(which: Which | undefined): void;
  /** Call it when the home is open again. What is left then stays written down. */
  end(): void;
}

function leftOf(tree: JailRoot, noted: Noted): LeftMove {
  const { home, copy } = noted;
  const noteOf = (fd: number) =>
    noted.mode !== undefined && isClosedFrom(fd, noted.mode) ? noted.mode : undefined;
  const now = answered(() =>
    withDirectory(tree, home, ({ fd, stat }) => ({ stat, mode: modeBefore(fd, false) ?? noteOf(fd) })),
  );
  const isLeft = copy !== "" && answered(() => isCopyLeft(tree, copy)) === true;
  const rest = answered(() => restOf(tree, noted));
  // One that goes stays closed.
  const mode = rest?.which === "home" ? undefined : now?.mode;
  return { home, stat: now?.stat, mode, copy: isLeft ? copy : undefined, rest };
}

const isAnyLeft = ({ mode, copy, rest }: LeftMove): boolean =>
  mode !== undefined || copy !== undefined || rest !== undefined;

/** What runs that were killed have left of moves of homes; nothing for others than root. */
export function leftMoves(): LeftMove[] {
  const found: LeftMove[] = [];
  forFree(C.LOCK_SH, (tree, { noted }) => found.push(leftOf(tree, noted)));
  return found.filter(isAnyLeft);
}

/** What a run that mends a move removes, on the host. */
export const leftPaths = ({ copy, rest }: Pick<LeftMove, "copy" | "rest">): ByteString[] =>
  [copy, rest?.path].filter((path) => path !== undefined);

/** The paths in a jail, as it sees them, of what is left there, and is removed when that is mended. */
export const leftCopiesIn = (jail: ByteString): ByteString[] =>
  leftMoves()
    .flatMap(leftPaths)
    .flatMap((path) => below(path, jail) ?? []);

/** True if a directory of the host is one that the next run removes before it moves a home. */
export const isLeftAt = (path: ByteString): boolean => leftMoves().some(({ rest }) => rest?.path === path);

/** Which of what is left is mended: all by default. */
interface Wanted {
  /** A move of this home alone. */
  readonly only?: ByteString;
  /** Moves that have left something in this jail alone. */
  readonly into?: ByteString;
  /** The home that stays closed. */
  readonly but?: ByteString;
  /** What cannot be mended is told by others, each time. */
  readonly mayFail?: boolean;
}

/**
 * Opens the homes again that runs which were killed have closed, and removes what is left of their copies. Returns what was done,
 * printable. Throws SystemError, JailkitError when the others are mended.
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
  for (const { home, rest } of leftMoves()) {
    if (rest === undefined || ![home, rest.path].some((path) => paths.includes(path))) continue;
    const message = `${quoted(rest.path)}, which a run that was killed has left, and ${quoted(rest.kept.path)} differ: compare them, and move the first one away`;
    throw new JailkitError("home-changed", 1, message);
  }
}

/** True if nothing is left of a move that is wanted. */
function mend(tree: JailRoot, { noted, write }: Held, { only, into, but }: Wanted, steps: string[]): boolean {
  const { home } = noted;
  if (only !== undefined && home !== only) return false;
  const left = leftOf(tree, noted);
  const { mode, copy, rest } = left;
  if (into !== undefined && !leftPaths(left).some((path) => below(path, into) !== undefined)) return false;
  // The next run that moves it finds only a mode that is on it.
  if (mode !== undefined && (home !== but || noted.mode !== undefined)) {
    withDirectory(tree, home, ({ fd }) => reopenTop(fd, mode));
    steps.push(`${quoted(home)} has the mode ${octal(mode)} again`);
  }
  if (copy !== undefined) {
    if (!removeLeftCopy(tree, copy)) return false;
    steps.push(`removed ${quoted(copy)}`);
  }
  if (rest !== undefined) {
    // Whatever becomes of the account: from now on it is not whole.
    write({ ...noted, removes: rest.which });
    removeRest(tree, rest);
    steps.push(`removed ${quoted(rest.path)}`);
  }
  // Their file systems may be missing, or a name service be silent.
  return isSettled(tree, noted);
}

/** True if it is known that nothing is left to be told later. */
function isSettled(tree: JailRoot, noted: Noted): boolean {
  const places = [noted.home, ...(noted.both === undefined ? [] : [noted.both.to])];
  if (places.some((path) => lookUp(tree, path) === undefined && mountRemedy(path) !== undefined))
    return false;
  if (isCopyName(baseName(noted.copy)) && lookUp(tree, noted.copy) !== undefined) return false;
  // The account may have another name now, or one of both file systems be away that fstab(5) does not name.
  if (noted.both !== undefined) {
    const isAway = places.some((path) => lookUp(tree, directoryOf(path)) === undefined);
    const areThere = places.every((path) => lookUp(tree, path) !== undefined);
    if (isAway || (areThere && hostUser(noted.account.name) === undefined)) return false;
  }
  return answered(() => restOf(tree, noted) === undefined) === true;
}

/** Writes down anew what is left of moves from or to a jail that is at another path now. */
export function followLeft(from: ByteString, to: ByteString): void {
  const at = (path: ByteString): ByteString => {
    const rest = below(path, from);
    return rest === undefined ? path : to + rest;
  };
  const moved: Noted[] = [];
  forFree(C.LOCK_EX, (_, { noted, remove }) => {
    const { home, copy, account, both } = noted;
    const now = {
      ...{ ...noted, home: at(home), copy: at(copy), both: both && { ...both, to: at(both.to) } },
      account: { ...account, before: at(account.before), after: at(account.after) },
    };
    if (noteText(now) === noteText(noted)) return;
    moved.push(now);
    remove();
  });
  for (const noted of moved) {
    const notes = openNotes();
    if (notes !== undefined) new Note(notes, noted).end();
  }
}

/**
 * Writes down that this process copies an open home, of an account that gets another one. Waits for a run that copies the same
 * one. Undefined where nothing can be written. Throws SystemError.
 */
export function noteMove(fd: number, account: Noted["account"]): MoveNote | undefined {
  const home = readLink(C.AT_FDCWD, `/proc/self/fd/${fd}`);
  try {
    makeNotes();
    const notes = openNotes();
    if (notes === undefined) return undefined;
    try {
      return new Note(notes, {
        home,
        copy: "",
        account,
        both: undefined,
        removes: undefined,
        mode: undefined,
      });
    } catch (error) {
      close(notes);
      throw error;
    }
  } catch (error) {
    if (isErrno(error, "EROFS", "ENOSPC", "EDQUOT", "ENOENT")) return undefined;
    throw error;
  }
}

class Note implements MoveNote {
  readonly #fd: number;
  readonly #name: ByteString;
  #noted: Noted;

  /** `notes`: the directory, open, which it closes. */
  constructor(
    private readonly notes: number,
    noted: Noted,
  ) {
    this.#name = nameOf(noted.home);
    this.#fd = take(notes, this.#name);
    this.#noted = noted;
    this.#write({});
  }

  closes(mode: number): void {
    this.#write({ mode });
  }

  copyAt(copy: ByteString): void {
    this.#write({ copy });
  }

  complete(both: BothHomes): void {
    this.#write({ both });
  }

  removes(which: Which | undefined): void {
    this.#write(which === undefined ? { both: undefined } : { removes: which });
  }

  // Where there is no room for it, the home can move all the same.
  #write(more: Partial<Noted>): void {
    this.#noted = { ...this.#noted, ...more };
    attempt(() => writeNote(this.#fd, this.#noted));
  }

  end(): void {
    const isLeft = answered(() => withTree((tree) => isAnyLeft(leftOf(tree, this.#noted))));
    if (isLeft === false) attempt(() => unlinkAt(this.notes, this.#name));
    close(this.#fd);
    close(this.notes);
  }
}
