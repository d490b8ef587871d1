import type { ByteString } from "../../../ffi/bytes.ts";
import { syncFd } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { close, fstat, readLink } from "../../../ffi/files.ts";
import { quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { below } from "../../system/mountinfo.ts";
import type { CopyNotes, Inodes } from "./copy-home.ts";
import { asideBox } from "./home-aside.ts";
import { isAnyLeft, leftOf } from "./home-moves.ts";
import { type Noted, noteText } from "./home-rest.ts";
import type { CopiedFiles } from "./home-seen.ts";
import { withTree } from "./look.ts";
import { topAbove, topOf, UNKNOWN_TOP } from "./mount-top.ts";
import {
  forFree,
  MOVES,
  makeNotes,
  nameOf,
  openNotes,
  removeNote,
  take,
  writeCopied,
  writeNote,
} from "./move-notes.ts";
import { namedError } from "./root.ts";

// A run that moves a home writes down which, until it is done: of one that is killed, nothing else tells, once nobody moves
// that home again.

/** The note of a home that this process moves. What is added before something is done throws SystemError if it is not written. */
export interface MoveNote extends CopyNotes {
  /** Adds that the home, which is open, is about to be put aside; it gets its place `to`, on the host. */
  asideFor(inode: bigint, to: ByteString): void;
  /** Adds that the home is not put aside any more, or was told that it stays. */
  settled(): void;
  /** Adds that the copy has its place. */
  placed(): void;
  /** Adds that the copy is about to be removed: it is not the whole home any more. */
  drops(): void;
  /** Call it when the home is open again. What is left then stays written down. */
  end(): void;
}

/** A note as it is when a jail is at another path. Pure. */
function noteAt(noted: Noted, from: ByteString, to: ByteString): Noted {
  const at = (path: ByteString): ByteString => {
    const rest = below(path, from);
    return rest === undefined ? path : to + rest;
  };
  const { home, box, account, both } = noted;
  return {
    ...{ ...noted, home: at(home), box: at(box), both: both && { ...both, to: at(both.to) } },
    account: { ...account, before: at(account.before), after: at(account.after) },
  };
}

/** True if something is left of moves from or to a jail at this path. */
export function isNoted(jail: ByteString): boolean {
  let found = false;
  forFree(C.LOCK_SH, (_, { noted }) => {
    found ||= noteText(noteAt(noted, jail, "/")) !== noteText(noted);
  });
  return found;
}

/** Writes down anew what is left of moves from or to a jail that is at another path now. */
export function followLeft(from: ByteString, to: ByteString): void {
  const moved: { readonly noted: Noted; readonly copied: CopiedFiles | undefined }[] = [];
  forFree(C.LOCK_EX, (_, { noted, copied, remove }) => {
    const now = noteAt(noted, from, to);
    if (noteText(now) === noteText(noted)) return;
    moved.push({ noted: now, copied: copied() });
    remove();
  });
  for (const { noted, copied } of moved) {
    const notes = openNotes();
    if (notes !== undefined) attempt(() => new Note(notes, noted, copied).end());
  }
}

/**
 * Writes down that this process moves an open home, of an account that gets another one. Waits for a run that moves the same
 * one. Throws SystemError, also where there is no room, and JailkitError: without a note nobody finds what a killed run leaves.
 */
export function noteMove(fd: number, account: Noted["account"]): MoveNote {
  const home = readLink(C.AT_FDCWD, `/proc/self/fd/${fd}`);
  atNotes(makeNotes);
  const notes = openNotes();
  if (notes === undefined) throw notOwn();
  const nothing = { box: "", both: undefined, isPlaced: false, isTold: false, mode: undefined };
  const tops = { home: topOf(fd), box: UNKNOWN_TOP };
  return new Note(notes, { home, account, ...nothing, tops });
}

function notOwn(): JailkitError {
  const remedy: Remedy = `chown root:root ${MOVES} && chmod 0700 ${MOVES}`;
  const message = `${quoted(MOVES)}: users other than root can write it, or a directory above it, or read it; check that, and then: ${remedy}`;
  return new JailkitError("file-unsafe", 1, message, undefined, remedy);
}

/** Calls something about a note; its errors name the directory of notes. */
function atNotes<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw namedError(error, MOVES);
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
    copied?: CopiedFiles,
  ) {
    this.#name = nameOf(noted.home);
    this.#noted = noted;
    let fd: number | undefined;
    try {
      fd = atNotes(() => take(notes, this.#name));
      this.#fd = fd;
      this.#write({});
    } catch (error) {
      if (fd !== undefined) {
        // What a run that was killed has written stays.
        if (fstat(fd).size === 0) attempt(() => removeNote(notes, this.#name));
        close(fd);
      }
      close(notes);
      throw error;
    }
    attempt(() => syncFd(notes));
    if (copied !== undefined) attempt(() => writeCopied(notes, this.#name, copied));
  }

  asideFor(inode: bigint, to: ByteString): void {
    const { home, tops } = this.#noted;
    const both = { to, homeInode: inode, copyInode: inode };
    this.#write({ box: asideBox(home), both, tops: { ...tops, box: tops.home } });
  }

  settled(): void {
    this.#add({ box: "", both: undefined, isPlaced: false });
  }

  closes(mode: number): void {
    this.#write({ mode });
  }

  boxAt(box: ByteString): void {
    const top = withTree((tree) => topAbove(tree, box));
    this.#write({ box, tops: { ...this.#noted.tops, box: top } });
  }

  complete(to: ByteString, inodes: Inodes, copied: CopiedFiles): void {
    // Without it the next run removes nothing of the home.
    attempt(() => writeCopied(this.notes, this.#name, copied));
    this.#write({ both: { to, ...inodes } });
  }

  placed(): void {
    this.#add({ isPlaced: true });
  }

  drops(): void {
    this.#add({ both: undefined });
  }

  #write(more: Partial<Noted>): void {
    this.#noted = { ...this.#noted, ...more };
    atNotes(() => {
      writeNote(this.#fd, this.#noted);
      // What it tells of is done next, and may come to the disk before it.
      syncFd(this.#fd);
    });
  }

  // It is done: without this, the note tells more than is left.
  #add(more: Partial<Noted>): void {
    attempt(() => this.#write(more));
  }

  end(): void {
    const isLeft = answered(() => withTree((tree) => isAnyLeft(leftOf(tree, this.#noted))));
    if (isLeft === false) attempt(() => removeNote(this.notes, this.#name));
    close(this.#fd);
    close(this.notes);
  }
}
