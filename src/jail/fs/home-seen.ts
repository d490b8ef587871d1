import type { ByteString } from "../../../ffi/bytes.ts";
import type { Stat } from "../../../ffi/files.ts";
import { contentKey, contentKeyOf, removalKey, removalKeyOf, stateKey } from "../../../ffi/stat-keys.ts";
import { Fingerprints, type SharedFingerprints } from "./fingerprints.ts";

/** Hashes of what was seen of a file: one for each set of Seen. */
export interface Told {
  readonly original: bigint;
  readonly removable: bigint;
  readonly copied: bigint;
}

/** The sets for another thread. */
export type SharedSeen = readonly [SharedFingerprints, SharedFingerprints, SharedFingerprints];

/** What a copy has seen of the original. Each file is looked at (statx(2)), and then told or asked about, before the next. */
export class Seen {
  /** Path, identity and change time of each file. */
  private readonly originals: Fingerprints;
  /** The files that may be removed when the copy is in place. The size and time of a directory change meanwhile. */
  private readonly removable: Fingerprints;
  /** Path and size of what was copied. */
  private readonly copied: Fingerprints;

  constructor([originals, removable, copied]: SharedSeen | readonly [] = []) {
    this.originals = originals === undefined ? new Fingerprints() : Fingerprints.of(originals);
    this.removable = removable === undefined ? new Fingerprints() : Fingerprints.of(removable);
    this.copied = copied === undefined ? new Fingerprints() : Fingerprints.of(copied);
  }

  /** The sets for another thread, with what they hold by now. */
  share(): SharedSeen {
    return [this.originals.share(), this.removable.share(), this.copied.share()];
  }

  /** The number of files that were added. */
  get size(): number {
    return this.originals.size;
  }

  /** Makes room for so many files at once. */
  reserve(size: number): void {
    for (const set of [this.originals, this.removable, this.copied]) set.reserve(size);
  }

  add({ original, removable, copied }: Told): void {
    this.originals.add(original);
    this.removable.add(removable);
    this.copied.add(copied);
  }

  /** The file that was looked at last; `path` is relative to the home. */
  lastOne(path: ByteString): Told {
    const at = this.originals.hash(path);
    return {
      original: this.originals.hash(stateKey(at)),
      removable: this.removable.hash(removalKey()),
      copied: this.copied.hash(contentKey(at)),
    };
  }

  /** True if the file that was looked at last is as it was; `path` as for lastOne. */
  hasOriginalLast(path: ByteString): boolean {
    return this.originals.has(this.originals.hash(stateKey(this.originals.hash(path))));
  }

  /** True if the file that was looked at last is as it was copied. */
  mayRemoveLast(): boolean {
    return this.removable.has(this.removable.hash(removalKey()));
  }

  /** True if a file is as it was copied. */
  mayRemove(stat: Stat): boolean {
    return this.removable.has(this.removable.hash(removalKeyOf(stat)));
  }

  /** True if a file of the copy has the path, the owner and the size of an original. */
  isCopied(path: ByteString, stat: Stat): boolean {
    return this.copied.has(this.copied.hash(contentKeyOf(stat, this.originals.hash(path))));
  }
}
