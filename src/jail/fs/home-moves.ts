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
import { modeBefore, reopenTop } from "./home-top.ts";
import { lookUp, withTree } from "./look.ts";
import { mountRemedy } from "./unmounted.ts";
import { type JailRoot, withDirectory } from "./walk.ts";

// A run that copies a home writes down which, until it is done: of one that is killed, nothing else tells, once nobody moves
// that home again. Only root can open the directory, so no user can hold the lock of a note.

const MOVES = "/var/lib/jailkit/moves";
const READ = C.O_RDONLY | C.O_DIRECTORY;
const OPEN = C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY;
// Two paths.
const MOST = 2 * C.PATH_MAX;

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
}

/** The note of a home that this process copies. */
export interface MoveNote {
  /** Adds the path of the copy, on the host. */
  copyAt(path: ByteString): void;
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

/** Calls `use` for each note that nobody holds, and holds it meanwhile. */
function forFree(use: (tree: JailRoot, text: ByteString, remove: () => void) => void): void {
  const notes = openNotes();
  if (notes === undefined) return;
  withFd(notes, () => {
    for (const { name } of entriesOf(notes))
      answered(() =>
        withFd(openAt(notes, name, C.O_RDWR | OPEN), (fd) => {
          if (!lockFile(fd, C.LOCK_EX | C.LOCK_NB) || !isNamed(notes, name, fd)) return;
          const text = fromBytes(readAllFd(fd, MOST));
          withTree((tree) => use(tree, text, () => unlinkAt(notes, name)));
        }),
      );
  });
}

/** Its holder may have removed it meanwhile. */
function isNamed(notes: number, name: ByteString, fd: number): boolean {
  const there = statIfPresent(notes, name);
  return there !== undefined && sameFile(there, fstat(fd));
}

function leftOf(tree: JailRoot, text: ByteString): LeftMove {
  const [home = "", copy = ""] = text.split("\0");
  const now = answered(() =>
    withDirectory(tree, home, ({ fd, stat }) => ({ stat, mode: modeBefore(fd, false) })),
  );
  const isLeft = copy !== "" && answered(() => isCopyLeft(tree, copy)) === true;
  return { home, stat: now?.stat, mode: now?.mode, copy: isLeft ? copy : undefined };
}

const isAnyLeft = ({ mode, copy }: LeftMove): boolean => mode !== undefined || copy !== undefined;

/** What runs that were killed have left of moves of homes; nothing for others than root. */
export function leftMoves(): LeftMove[] {
  const found: LeftMove[] = [];
  forFree((tree, text) => found.push(leftOf(tree, text)));
  return found.filter(isAnyLeft);
}

/** The paths in a jail, as it sees them, of copies that are left there. */
export const leftCopiesIn = (jail: ByteString): ByteString[] =>
  leftMoves().flatMap(({ copy }) => {
    const rest = copy === undefined ? undefined : below(copy, jail);
    return rest === undefined ? [] : [rest];
  });

/** Which of what is left is mended: all by default. */
interface Wanted {
  /** A move of this home alone. */
  readonly only?: ByteString;
  /** Moves with a copy in this jail alone. */
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
  forFree((tree, text, remove) => {
    try {
      if (mend(tree, leftOf(tree, text), wanted, steps)) remove();
    } catch (error) {
      failures.push(error);
    }
  });
  if (failures.length > 0) throw failures[0];
  return steps;
}

/** True if nothing is left of a move that is wanted. */
function mend(tree: JailRoot, { home, mode, copy }: LeftMove, { only, into, but }: Wanted, steps: string[]) {
  if (only !== undefined && home !== only) return false;
  if (into !== undefined && (copy === undefined || below(copy, into) === undefined)) return false;
  if (mode !== undefined && home !== but) {
    withDirectory(tree, home, ({ fd }) => reopenTop(fd, mode));
    steps.push(`${quoted(home)} has the mode ${octal(mode)} again`);
  }
  if (copy !== undefined) {
    if (!removeLeftCopy(tree, copy)) return false;
    steps.push(`removed ${quoted(copy)}`);
  }
  // Its file system may be missing.
  return lookUp(tree, home) !== undefined || mountRemedy(home) === undefined;
}

/**
 * Writes down that this process copies an open home, and mends what others have left. Waits for a run that copies the same one.
 * Undefined where nothing can be written. Throws SystemError.
 */
export function noteMove(fd: number): MoveNote | undefined {
  const home = readLink(C.AT_FDCWD, `/proc/self/fd/${fd}`);
  answered(() => mendMoves({ but: home }));
  try {
    withTree((tree) =>
      makeDirectories(tree, MOVES, (path) => ({ uid: 0, gid: 0, mode: path === MOVES ? 0o700 : 0o755 })),
    );
    const notes = openNotes();
    return notes === undefined ? undefined : new Note(notes, home);
  } catch (error) {
    if (isErrno(error, "EROFS", "ENOSPC", "EDQUOT", "ENOENT")) return undefined;
    throw error;
  }
}

class Note implements MoveNote {
  readonly #fd: number;
  readonly #name: ByteString;
  #copy = "";

  /** `notes`: the directory, open, which it closes. */
  constructor(
    private readonly notes: number,
    private readonly home: ByteString,
  ) {
    this.#name = nameOf(home);
    this.#fd = take(notes, this.#name);
    this.copyAt("");
  }

  copyAt(path: ByteString): void {
    this.#copy = path;
    // Where there is no room for it, the home can move all the same.
    attempt(() => {
      seek(this.#fd, 0, C.SEEK_SET);
      writeAll(this.#fd, toBytes(this.#text()));
    });
  }

  // The end of a longer one that it overwrites does not count.
  #text(): ByteString {
    return `${this.home}\0${this.#copy}\0`;
  }

  end(): void {
    const isLeft = answered(() => withTree((tree) => isAnyLeft(leftOf(tree, this.#text()))));
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
