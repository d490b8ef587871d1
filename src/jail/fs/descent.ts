import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { close, type FileIdentity, fstat, openAt, sameFile } from "../../../ffi/files.ts";
import type { JailkitError } from "../../cli/error.ts";
import { joinPath } from "./root.ts";

/** Opens a directory that users may exchange for something else. */
export const DIRECTORY = C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW | C.O_NONBLOCK;
// Users may nest directories without limit, and a process has not so many descriptors.
const MOST_OPEN = 64;
const CLOSED = -1;

/** A directory on the way down. */
export interface Level {
  readonly name: ByteString;
  readonly stat: FileIdentity;
  /** CLOSED for one far above. */
  fd: number;
}

/** The open directories on the way down a tree, of any depth: those far above are closed, and found again by "..". */
export class Descent<L extends Level> implements Disposable {
  readonly #levels: L[] = [];

  /** `above`: the path of the first one without its name. `moved`: the error for a directory that was moved meanwhile. */
  constructor(
    private readonly above: ByteString,
    private readonly moved: () => JailkitError,
  ) {}

  /** The directory where it is now; it is open. */
  get here(): L | undefined {
    return this.#levels.at(-1);
  }

  /** The number of levels. */
  get depth(): number {
    return this.#levels.length;
  }

  /** The level at a depth, from 0 on. */
  at(depth: number): L | undefined {
    return this.#levels[depth];
  }

  /** Where it is now; with `depth`, the path of that many levels. */
  path(depth = this.depth): ByteString {
    const names = this.#levels.slice(0, depth).filter(({ name }) => name !== "");
    return names.reduce((path, { name }) => joinPath(path, name), this.above);
  }

  /** Goes on in an open directory, which it closes later. Returns one far above that was closed now. */
  down(level: L): L | undefined {
    this.#levels.push(level);
    const far = this.#levels.at(-1 - MOST_OPEN);
    if (far === undefined || far.fd === CLOSED) return undefined;
    close(far.fd);
    far.fd = CLOSED;
    return far;
  }

  /** Goes back to the directory above; undefined above the first one. Throws `moved`, SystemError. */
  up(): L | undefined {
    const here = this.here;
    const above = this.#levels.at(-2);
    if (here !== undefined && above?.fd === CLOSED) above.fd = this.#open(here, above);
    this.#levels.pop();
    if (here !== undefined) close(here.fd);
    return above;
  }

  #open(here: L, above: L): number {
    let fd: number;
    try {
      fd = openAt(here.fd, "..", DIRECTORY);
    } catch (error) {
      // Somebody has removed it.
      throw isErrno(error, "ENOENT") ? this.moved() : error;
    }
    if (sameFile(fstat(fd), above.stat)) return fd;
    close(fd);
    throw this.moved();
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#levels) if (fd !== CLOSED) close(fd);
  }
}
