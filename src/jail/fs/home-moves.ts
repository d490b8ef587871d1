import { type ByteString, fromBytes, toBytes } from "../../../ffi/bytes.ts";
import { lockFile, unlinkAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, isErrno } from "../../../ffi/error.ts";
import {
  close,
  entriesOf,
  fstat,
  openAt,
  readAllFd,
  readLink,
  type Stat,
  sameFile,
  seek,
  statIfPresent,
  withFd,
  writeAll,
} from "../../../ffi/files.ts";
import { quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { octal } from "../../cli/octal.ts";
import { below } from "../../system/mountinfo.ts";
import { makeDirectories } from "./directories.ts";
import { isCopyLeft, removeLeftCopy } from "./home-copy.ts";
import {
  type BothHomes,
  LONGEST,
  type Noted,
  notedIn,
  noteText,
  type Rest,
  removeRest,
  restOf,
  type Which,
} from "./home-rest.ts";
import { isClosedFrom, modeBefore, reopenTop } from "./home-top.ts";
import { lookUp, withTree } from "./look.ts";
import { mountRemedy } from "./unmounted.ts";
import { type JailRoot, withDirectory } from "./walk.ts";

// A run that copies a home writes down which, until it is done: of one that is killed, nothing else tells, once nobody moves
// that home again. Only root can open the directory, so no user can hold the lock of a note.

const MOVES = "/var/lib/jailkit/moves";
const READ = C.O_RDONLY | C.O_DIRECTORY;
const OPEN = C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY;

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

const nameOf = (home: ByteString): ByteString =>
  new Bun.CryptoHasher("sha256").update(toBytes(home)).digest("hex").slice(0, 32);

/** The directory of notes, open; undefined if it is missing, not root's alone, or cannot be opened. */
function openNotes(): number | undefined {
  return attempt(() =>
    withTree((tree) =>
      withDirectory(tree, MOVES, ({ fd, trusted, stat }) =>
        trusted && stat.uid === 0 && (stat.mode & 0o077) === 0 ? openAt(fd, ".", READ) : undefined,
      ),
    ),
  );
}

/** A note that is held. */
interface Held {
  readonly noted: Noted;
  readonly write: (noted: Noted) => void;
  readonly remove: () => void;
}

/** Calls `use` for each note that nobody holds, and holds it meanwhile. */
function forFree(use: (tree: JailRoot, held: Held) => void): void {
  const notes = openNotes();
  if (notes === undefined) return;
  withFd(notes, () => {
    for (const { name } of entriesOf(notes))
      answered(() =>
        withFd(openAt(notes, name, C.O_RDWR | OPEN), (fd) => {
          if (!lockFile(fd, C.LOCK_EX | C.LOCK_NB) || !isNamed(notes, name, fd)) return;
          const noted = notedIn(fromBytes(readAllFd(fd, LONGEST)));
          const write = (now: Noted) => writeNote(fd, now);
          withTree((tree) => use(tree, { noted, write, remove: () => unlinkAt(notes, name) }));
        }),
      );
  });
}

/** Its holder may have removed it meanwhile. */
function isNamed(notes: number, name: ByteString, fd: number): boolean {
  const there = statIfPresent(notes, name);
  return there !== undefined && sameFile(there, fstat(fd));
}

function writeNote(fd: number, noted: Noted): void {
  seek(fd, 0, C.SEEK_SET);
  writeAll(fd, toBytes(noteText(noted)));
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
  forFree((tree, { noted }) => found.push(leftOf(tree, noted)));
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
}

/**
 * Opens the homes again that runs which were killed have closed, and removes what is left of their copies. Returns what was done,
 * printable. Throws SystemError, JailkitError when the others are mended.
 */
export function mendMoves(wanted: Wanted = {}): string[] {
  const steps: string[] = [];
  const failures: unknown[] = [];
  forFree((tree, held) => {
    try {
      if (mend(tree, held, wanted, steps)) held.remove();
    } catch (error) {
      failures.push(error);
    }
  });
  if (failures.length > 0) throw failures[0];
  return steps;
}

/** True if nothing is left of a move that is wanted. */
function mend(tree: JailRoot, { noted, write }: Held, { only, into, but }: Wanted, steps: string[]): boolean {
  const left = leftOf(tree, noted);
  const { home, mode, copy, rest } = left;
  if (only !== undefined && home !== only) return false;
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
  return answered(() => restOf(tree, noted) === undefined) === true;
}

/**
 * Writes down that this process copies an open home, of an account that gets another one. Waits for a run that copies the same
 * one. Undefined where nothing can be written. Throws SystemError.
 */
export function noteMove(fd: number, account: Noted["account"]): MoveNote | undefined {
  const home = readLink(C.AT_FDCWD, `/proc/self/fd/${fd}`);
  try {
    withTree((tree) =>
      makeDirectories(tree, MOVES, (path) => ({ uid: 0, gid: 0, mode: path === MOVES ? 0o700 : 0o755 })),
    );
    const notes = openNotes();
    return notes === undefined ? undefined : new Note(notes, home, account);
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
    home: ByteString,
    account: Noted["account"],
  ) {
    this.#name = nameOf(home);
    this.#fd = take(notes, this.#name);
    this.#noted = { home, copy: "", account, both: undefined, removes: undefined, mode: undefined };
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

/** Creates and locks a note. */
function take(notes: number, name: ByteString): number {
  for (;;) {
    const fd = openAt(notes, name, C.O_RDWR | C.O_CREAT | OPEN, 0o600);
    lockFile(fd, C.LOCK_EX);
    if (isNamed(notes, name, fd)) return fd;
    close(fd);
  }
}
