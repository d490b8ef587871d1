import { type ByteString, fromBytes, toBytes } from "../../../ffi/bytes.ts";
import { lockFile, syncFd, unlinkAt, unlinkIfPresent } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import {
  entriesOf,
  isEmptyDirectory,
  openAt,
  readAllFd,
  readFile,
  seek,
  withFd,
  writeAll,
} from "../../../ffi/files.ts";
import { answered } from "../../cli/error.ts";
import { makeDirectories } from "./directories.ts";
import { LONGEST, type Noted, notedIn, noteText } from "./home-rest.ts";
import { CopiedFiles } from "./home-seen.ts";
import { isNamed, lockedFile } from "./lock.ts";
import { withTree } from "./look.ts";
import { type JailRoot, withDirectory } from "./walk.ts";

// Only root can open the directory, so no user can hold the lock of a note.

/** The directory of notes. */
export const MOVES = "/var/lib/jailkit/moves";
const READ = C.O_RDONLY | C.O_DIRECTORY;
const OPEN = C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY;
// The name of a note, with this, is that of the list of the files that were copied.
const FILES = ".files";
// Of a hundred million files.
const LONGEST_LIST = 1 << 30;

/** The name of the note about a home. */
export const nameOf = (home: ByteString): ByteString =>
  new Bun.CryptoHasher("sha256").update(toBytes(home)).digest("hex").slice(0, 32);

/** The directory of notes, open; undefined if it is missing, not root's alone, or cannot be opened. */
export function openNotes(): number | undefined {
  return attempt(() =>
    withTree((tree) =>
      withDirectory(tree, MOVES, ({ fd, trusted, stat }) =>
        trusted && stat.uid === 0 && (stat.mode & 0o077) === 0 ? openAt(fd, ".", READ) : undefined,
      ),
    ),
  );
}

/** False if there is certainly no note: a run on thousands of accounts asks for each. */
export const isAnyNote = (): boolean =>
  attempt(() => withFd(openAt(C.AT_FDCWD, MOVES, READ), isEmptyDirectory)) === false;

/** A note that is held. */
export interface Held {
  readonly noted: Noted;
  readonly write: (noted: Noted) => void;
  readonly remove: () => void;
  /** The files of the home that were copied; undefined if they are not known. */
  readonly copied: () => CopiedFiles | undefined;
}

/** Calls `use` for each note that nobody holds, and holds it meanwhile; with LOCK_SH others may read it, too. */
export function forFree(how: number, use: (tree: JailRoot, held: Held) => void): void {
  const notes = openNotes();
  if (notes === undefined) return;
  withFd(notes, () => {
    for (const { name } of entriesOf(notes).filter(({ name }) => !name.endsWith(FILES)))
      answered(() =>
        withFd(openAt(notes, name, C.O_RDWR | OPEN), (fd) => {
          if (!lockFile(fd, how | C.LOCK_NB) || !isNamed(notes, name, fd)) return;
          const noted = notedIn(fromBytes(readAllFd(fd, LONGEST)));
          const write = (now: Noted) => writeNote(fd, now);
          const copied = () => attempt(() => CopiedFiles.read(readFile(name + FILES, LONGEST_LIST, notes)));
          withTree((tree) => use(tree, { noted, write, copied, remove: () => removeNote(notes, name) }));
        }),
      );
  });
}

/** Writes a note anew. Throws SystemError. */
export function writeNote(fd: number, noted: Noted): void {
  seek(fd, 0, C.SEEK_SET);
  writeAll(fd, toBytes(noteText(noted)));
}

/** Writes down which files of a home were copied, and brings that to the disk. Throws SystemError. */
export function writeCopied(notes: number, name: ByteString, copied: CopiedFiles): void {
  withFd(openAt(notes, name + FILES, C.O_WRONLY | C.O_CREAT | C.O_TRUNC | OPEN, 0o600), (fd) => {
    writeAll(fd, copied.write());
    syncFd(fd);
  });
}

/** Removes a note. Throws SystemError. */
export function removeNote(notes: number, name: ByteString): void {
  unlinkIfPresent(notes, name + FILES);
  unlinkAt(notes, name);
}

/** Creates and locks a note; waits for who holds it. */
export const take = (notes: number, name: ByteString): number =>
  lockedFile(notes, name, (fd) => void lockFile(fd, C.LOCK_EX));

/** Makes the directory of notes, if it is missing. Throws SystemError, JailkitError. */
export function makeNotes(): void {
  withTree((tree) =>
    makeDirectories(tree, MOVES, (path) => ({ uid: 0, gid: 0, mode: path === MOVES ? 0o700 : 0o755 })),
  );
}
