import { type ByteString, fromBytes, toBytes } from "../../../ffi/bytes.ts";
import { lockFile, unlinkAt } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { close, entriesOf, openAt, readAllFd, seek, withFd, writeAll } from "../../../ffi/files.ts";
import { answered } from "../../cli/error.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { makeDirectories } from "./directories.ts";
import { isNamed, lockedFile } from "./lock.ts";
import { withTree } from "./look.ts";
import { temporaryName } from "./place.ts";
import { withDirectory } from "./walk.ts";

// A run that changes an account writes down before that it will end connections of this account: if it is killed, the next run
// does that. Only root can open the directory, so no user can hold the lock of a note. It is in /run since a boot ends the
// connections, too: after one, a note would be about others.

const NOTES = "/run/jailkit/logins";
const READ = C.O_RDONLY | C.O_DIRECTORY;
const OPEN = C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY;
// A kernel has no more pids than fit into this.
const LONGEST = 1 << 26;

/** An account as connections know it. `name`: "" for a uid that no account has. */
type Account = Pick<PasswdEntry, "name" | "uid">;

/** Connections that a run which was killed was to end. */
export interface DueLogin extends Account {
  /** The processes that it may have stopped. */
  readonly stopped: readonly number[];
}

/** A note that this process holds. */
export interface LoginNote {
  /** Adds processes that are about to be stopped. */
  stops(pids: readonly number[]): void;
  /** Call it when nothing is due any more. */
  remove(): void;
  /** Call it instead if something is: the next run does it. */
  leave(): void;
}

const textOf = ({ uid, name, stopped }: DueLogin): ByteString => `${uid}\0${name}\0${stopped.join(" ")}`;

/** Undefined for one whose run was killed before it was written, and had changed nothing. */
function dueIn(text: ByteString): DueLogin | undefined {
  const [, uid, name = "", pids = ""] = /^([0-9]{1,10})\0([^\0]*)\0([0-9 ]*)$/.exec(text) ?? [];
  if (uid === undefined) return undefined;
  return { uid: Number(uid), name, stopped: pids.split(" ").filter(Boolean).map(Number) };
}

/** The directory of notes, open; undefined if it is missing, not root's alone, or cannot be opened. */
function openNotes(): number | undefined {
  return attempt(() =>
    withTree((tree) =>
      withDirectory(tree, NOTES, ({ fd, trusted, stat }) =>
        trusted && stat.uid === 0 && (stat.mode & 0o077) === 0 ? openAt(fd, ".", READ) : undefined,
      ),
    ),
  );
}

/** Writes down whose connections this process will end. Undefined where that cannot be written. */
export function noteLogin({ name, uid }: Account): LoginNote | undefined {
  answered(() =>
    withTree((tree) =>
      makeDirectories(tree, NOTES, (path) => ({ uid: 0, gid: 0, mode: path === NOTES ? 0o700 : 0o755 })),
    ),
  );
  const notes = openNotes();
  if (notes === undefined) return undefined;
  const note = answered(() => new Note(notes, { name, uid, stopped: [] }));
  if (note === undefined) close(notes);
  return note;
}

class Note implements LoginNote {
  readonly #name = temporaryName();
  readonly #fd: number;

  /** `notes`: the directory, open, which it closes. */
  constructor(
    private readonly notes: number,
    private due: DueLogin,
  ) {
    this.#fd = lockedFile(notes, this.#name, (fd) => void lockFile(fd, C.LOCK_EX));
    try {
      this.#write();
    } catch (error) {
      attempt(() => unlinkAt(notes, this.#name));
      close(this.#fd);
      throw error;
    }
  }

  // Nobody reads it before this process has ended.
  #write(): void {
    seek(this.#fd, 0, C.SEEK_SET);
    writeAll(this.#fd, toBytes(textOf(this.due)));
  }

  stops(pids: readonly number[]): void {
    this.due = { ...this.due, stopped: [...this.due.stopped, ...pids] };
    attempt(() => this.#write());
  }

  remove(): void {
    attempt(() => unlinkAt(this.notes, this.#name));
    this.leave();
  }

  leave(): void {
    close(this.#fd);
    close(this.notes);
  }
}

/** Calls `use` for each note, with how to lock it: see forDueLogins and dueLogins. */
function forNotes(
  lock: (fd: number) => boolean,
  use: (due: DueLogin | undefined, remove: () => void) => void,
): void {
  const notes = openNotes();
  if (notes === undefined) return;
  withFd(notes, () => {
    for (const { name } of entriesOf(notes))
      answered(() =>
        withFd(openAt(notes, name, C.O_RDONLY | OPEN), (fd) => {
          if (!lock(fd) || !isNamed(notes, name, fd)) return;
          use(dueIn(fromBytes(readAllFd(fd, LONGEST))), () => unlinkAt(notes, name));
        }),
      );
  });
}

/** What runs that were killed were to end; nothing for others than root. */
export function dueLogins(): DueLogin[] {
  const found: DueLogin[] = [];
  forNotes(
    (fd) => lockFile(fd, C.LOCK_SH | C.LOCK_NB),
    (due) => {
      if (due !== undefined) found.push(due);
    },
  );
  return found;
}

/** The same, each while no other process does it: `end` returns true when nothing of it is due any more. */
export function forDueLogins(end: (due: DueLogin) => boolean): void {
  // Whoever only looks holds it for a moment, and nobody else shares it.
  const lock = (fd: number) =>
    lockFile(fd, C.LOCK_EX | C.LOCK_NB) || (lockFile(fd, C.LOCK_SH | C.LOCK_NB) && lockFile(fd, C.LOCK_EX));
  forNotes(lock, (due, remove) => {
    if (due === undefined || end(due)) remove();
  });
}
