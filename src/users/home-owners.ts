import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import {
  close,
  type DirectoryEntry,
  fstat,
  openAt,
  openAt2,
  readEntries,
  type Stat,
  withFd,
} from "../../ffi/files.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { stopIfInterrupted } from "../cli/interrupt.ts";
import { NOTHING_MOVED } from "../jail/fs/home-copy.ts";
import { WITHIN } from "../jail/fs/home-scan.ts";

/** The code of a home of which its user has made too much. */
const TOO_LARGE = "home-too-large";

/** True for the error about such a home. */
export const isTooLarge = (error: unknown): boolean =>
  error instanceof JailkitError && error.code === TOO_LARGE;

/** What is looked at, in a few seconds: users decide how much there is. */
const MOST = {
  ...{ directories: 200_000, names: 5_000_000, owners: 1000, bytes: 50_000_000 },
  // Of a directory with more directories the rest is read when these are done, which needs little memory; it is open until then.
  ...{ atOnce: 1000, open: 256 },
};

const ANY = Number.POSITIVE_INFINITY;

/** `ended`: how far the work is if a signal ends it, which it does only then. */
type Most = typeof MOST & { readonly ended?: string };
/** The same of a home that is copied then, which takes longer: any size. Each owner may be a question to a name service. */
export const WHOLE: Most = { ...MOST, directories: ANY, names: ANY, bytes: ANY, ended: NOTHING_MOVED };

const OPEN = C.O_DIRECTORY | C.O_NOFOLLOW;
// What is deeper is opened from there: users nest directories without limit, and move those of others to where no path leads.
const LONGEST = C.PATH_MAX / 2;

/** Gets each name below a directory: the open directory that it is in, and the path of that, from where the search began. */
export type EachName = (directory: number, name: ByteString, path: ByteString) => void;

/** The owner of directories below one, and the path of the first of them, from there. */
interface Owner {
  readonly uid: number;
  readonly path: ByteString;
}

/**
 * The owners of the directories below one, besides the directories `except`, each once and as soon as it is found. Symbolic links are not
 * followed, and other mounts not entered: with one in it, no home is moved. `open`: opens it, if not by its path. `each`: what it
 * throws ends the search. Throws JailkitError "home-too-large".
 */
export function* ownersBelow(
  path: ByteString,
  except: (uid: number, directory: Stat, isEmpty: boolean) => boolean,
  most: Most = MOST,
  open = () => openAt(C.AT_FDCWD, path, C.O_RDONLY | C.O_DIRECTORY),
  each?: EachName,
): Generator<Owner> {
  yield* ownersIn({ above: "", open, owners: new Set(), count: new Count(path, most, each), except });
}

interface Search {
  /** The path of the directory that `open` opens, with a slash; empty for that where the search begins. */
  readonly above: ByteString;
  readonly open: () => number;
  readonly owners: Set<number>;
  readonly count: Count;
  readonly except: Parameters<typeof ownersBelow>[1];
}

function* ownersIn(search: Search): Generator<Owner> {
  const { above, open, owners, count, except } = search;
  const top = attempted(open);
  if (top === undefined) return;
  const levels = new Levels(above, count);
  try {
    for (let at = levels.next(); at !== undefined; at = levels.next()) {
      count.stopIfInterrupted();
      if (at.length > LONGEST) {
        const path = at;
        yield* ownersIn({ ...search, above: `${above}${path}/`, open: () => openBelow(top, path) });
        continue;
      }
      const path = at === "." ? above.slice(0, -1) : above + at;
      const { stat, listed, isEmpty = false } = look(top, at, path, count);
      if (listed !== undefined) levels.enter(at, listed);
      if (path === "" || stat === undefined || owners.has(stat.uid)) continue;
      if (except(stat.uid, stat, isEmpty)) continue;
      owners.add(stat.uid);
      count.owners(owners.size);
      yield { uid: stat.uid, path };
    }
  } finally {
    levels[Symbol.dispose]();
    close(top);
  }
}

/** The directories in one, as far as they were read. */
interface Listed {
  readonly names: ByteString[];
  /** The directory, if there may be more in it. */
  readonly rest: number | undefined;
}

/** The directories that are left to look at: those on the way to the last one, and of each what is in it. */
class Levels implements Disposable {
  readonly #levels: (Listed & { readonly path: ByteString })[] = [
    { path: "", names: ["."], rest: undefined },
  ];

  constructor(
    private readonly above: ByteString,
    private readonly count: Count,
  ) {}

  /** The path of the next one; undefined if there is none. */
  next(): ByteString | undefined {
    for (let level = this.#levels.at(-1); level !== undefined; level = this.#levels.at(-1)) {
      const { path, names, rest } = level;
      const name = names.pop();
      if (name !== undefined) return path === "" ? name : `${path}/${name}`;
      this.#levels.pop();
      if (rest === undefined) continue;
      this.count.opened(-1);
      this.#push(path, readOn(rest, this.above + path, this.count));
    }
    return undefined;
  }

  enter(path: ByteString, listed: Listed): void {
    this.#push(path === "." ? "" : path, listed);
  }

  #push(path: ByteString, listed: Listed): void {
    this.#levels.push({ ...listed, path });
    if (listed.rest !== undefined) this.count.opened(1);
  }

  [Symbol.dispose](): void {
    for (const { rest } of this.#levels) if (rest !== undefined) close(rest);
  }
}

/** What `call` returns; undefined for a directory that is gone, exchanged, closed to root or another mount. */
function attempted<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (isErrno(error, "EACCES", "ENOENT", "ENOTDIR", "ELOOP", "EXDEV")) return undefined;
    throw error;
  }
}

const openBelow = (top: number, path: ByteString): number => openAt2(top, path, C.O_RDONLY | OPEN, WITHIN);

interface Looked {
  readonly stat?: Stat;
  readonly listed?: Listed;
  /** False also for one that root cannot read. */
  readonly isEmpty?: boolean;
}

/** A directory, and the directories in it. `at`: its path from `top`. */
function look(top: number, at: ByteString, path: ByteString, count: Count): Looked {
  const fd = attempted(() => openBelow(top, at));
  // Its owner may close it to root, on a file system of another machine.
  if (fd === undefined)
    return (
      attempted(() => withFd(openAt2(top, at, C.O_PATH | OPEN, WITHIN), (one) => ({ stat: fstat(one) }))) ??
      {}
    );
  const stat = fstat(fd);
  const listed = readOn(fd, path, count);
  return { stat, listed, isEmpty: listed.isEmpty };
}

/** Reads on in an open directory, and closes it at its end. */
function readOn(fd: number, path: ByteString, count: Count): Listed & Pick<Looked, "isEmpty"> {
  const names: ByteString[] = [];
  let isEmpty = true;
  let more = true;
  try {
    while (more && names.length < count.most.atOnce) {
      const piece: DirectoryEntry[] = [];
      more = readEntries(fd, piece);
      isEmpty &&= piece.length === 0;
      // Of a file without a type is known when it is opened that it is no directory.
      const found = piece.filter(({ type }) => type === C.DT_DIR || type === C.DT_UNKNOWN);
      for (const { name } of found) names.push(name);
      count.add(piece.length, found.length, path.length);
      if (count.each !== undefined) for (const { name } of piece) count.each(fd, name, path);
    }
  } catch (error) {
    close(fd);
    throw error;
  }
  if (!more) close(fd);
  return { names, rest: more ? fd : undefined, isEmpty };
}

/** Counts what is in a home. */
class Count {
  #names = 0;
  #directories = 0;
  #bytes = 0;
  #open = 0;

  constructor(
    private readonly path: ByteString,
    readonly most: Most,
    readonly each: EachName | undefined,
  ) {}

  /** Adds what is in a directory with a path of `depth` bytes: each that is deep takes the kernel longer to open, and memory until then. */
  add(names: number, directories: number, depth: number): void {
    this.#names += names;
    this.#directories += directories;
    this.#bytes += directories * depth;
    if (this.#directories > this.most.directories)
      throw this.#error(`more than ${this.most.directories} directories`);
    if (this.#bytes > this.most.bytes)
      throw this.#error(`directories whose paths are longer than ${this.most.bytes} bytes together`);
    if (this.#names > this.most.names) throw this.#error(`more than ${this.most.names} files`);
  }

  /** Counts directories of which a part is read. */
  opened(change: 1 | -1): void {
    this.#open += change;
    const { open, atOnce } = this.most;
    if (this.#open > open)
      throw this.#error(`more than ${open} directories, each in the one before, with ${atOnce} in each`);
  }

  /** A whole home may take a while. */
  stopIfInterrupted(): void {
    if (this.most.ended !== undefined) stopIfInterrupted(this.most.ended);
  }

  owners(owners: number): void {
    if (owners > this.most.owners) throw this.#error(`directories of more than ${this.most.owners} uids`);
  }

  #error(what: string): JailkitError {
    const message = `${quoted(this.path)} holds ${what}: too many to look for homes of other accounts, which would go along; put some of them elsewhere first`;
    return new JailkitError(TOO_LARGE, 1, message);
  }
}
