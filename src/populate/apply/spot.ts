import type { ByteString } from "../../../ffi/bytes.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import type { Spot } from "../../jail/fs/look.ts";
import { type Directory, type JailRoot, release, walk } from "../../jail/fs/walk.ts";

/** Finds the places of many files, most of which have the same directory as the one before. */
export class SpotFinder {
  readonly #root: JailRoot;
  #path: ByteString | undefined;
  #directory: Directory | undefined;

  constructor(root: JailRoot) {
    this.#root = root;
  }

  /** Calls `use` with the place of a path of the jail, whose directory is open meanwhile. Throws what walk and `use` throw. */
  at<T>(path: ByteString, use: (spot: Spot) => T): T {
    const parent = this.#open(parentOf(path));
    try {
      return use({ root: this.#root, parent, name: baseName(path) });
    } finally {
      release(parent);
    }
  }

  #open(path: ByteString): Directory {
    const last = this.#directory;
    // The root may have closed it meanwhile: then its descriptor is negative.
    if (path === this.#path && last?.cached && last.fd >= 0) return last;
    this.#path = path;
    this.#directory = walk(this.#root, path);
    return this.#directory;
  }
}
