import type { ByteString } from "../../../ffi/bytes.ts";
import { close } from "../../../ffi/files.ts";

const USUAL_LIMIT = 256;

interface OpenDirectory {
  /** -1 once closed. */
  fd: number;
  readonly path: ByteString;
  readonly cached: boolean;
}

/** Closes a directory; its descriptor is -1 from then on. */
export function closeDirectory(directory: OpenDirectory): void {
  if (directory.fd >= 0) close(directory.fd);
  directory.fd = -1;
}

export class DirectoryCache<D extends OpenDirectory> {
  /** Least recently used first. */
  readonly #open = new Map<ByteString, D>();

  /** `limit`: about how many stay open. */
  constructor(readonly limit = USUAL_LIMIT) {}

  get size(): number {
    return this.#open.size;
  }

  get(path: ByteString): D | undefined {
    const directory = this.#open.get(path);
    if (directory === undefined) return undefined;
    this.#open.delete(path);
    if (directory.fd < 0) return undefined;
    this.#open.set(path, directory);
    return directory;
  }

  set(path: ByteString, directory: D): void {
    this.#open.set(path, directory);
  }

  /** Closes the least recently used if there are too many. Nothing that `get` returned may be in use. */
  trim(): void {
    if (this.#open.size <= this.limit) return;
    for (const [path, directory] of this.#open) {
      closeDirectory(directory);
      this.#open.delete(path);
      if (this.#open.size <= (this.limit * 3) / 4) return;
    }
  }

  /** Closes all but one that is in use. */
  clear(except?: D): void {
    for (const directory of this.#open.values()) if (directory !== except) closeDirectory(directory);
    this.#open.clear();
    if (except?.cached && except.path !== "/") this.#open.set(except.path, except);
  }
}
