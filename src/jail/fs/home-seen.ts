import type { ByteString } from "../../../ffi/bytes.ts";
import type { FileIdentity, Stat } from "../../../ffi/files.ts";
import { removalKey, removalKeyOf, stateKey } from "../../../ffi/stat-keys.ts";
import { Fingerprints, type SharedFingerprints } from "./fingerprints.ts";

/** Hashes of what was seen of a file: one for each set of Seen. */
export interface Told {
  readonly original: bigint;
  readonly removable: bigint;
}

/** The sets for another thread. */
export type SharedSeen = readonly [SharedFingerprints, SharedFingerprints];

/** What a copy has seen of the original. Each file is looked at (statx(2)), and then told or asked about, before the next. */
export class Seen {
  /** Path, identity and change time of each file. */
  private readonly originals: Fingerprints;
  /** The files that may be removed when the copy is in place. The size and time of a directory change meanwhile. */
  private readonly removable: Fingerprints;

  constructor([originals, removable]: SharedSeen | readonly [] = []) {
    this.originals = originals === undefined ? new Fingerprints() : Fingerprints.of(originals);
    this.removable = removable === undefined ? new Fingerprints() : Fingerprints.of(removable);
  }

  /** The sets for another thread, with what they hold by now. */
  share(): SharedSeen {
    return [this.originals.share(), this.removable.share()];
  }

  /** The files that may be removed, for a run that goes on with that. `top`: their home. */
  copied(top: FileIdentity): CopiedFiles {
    return new CopiedFiles(this.removable, top);
  }

  /** The number of files that were added. */
  get size(): number {
    return this.originals.size;
  }

  /** Makes room for so many files at once. */
  reserve(size: number): void {
    for (const set of [this.originals, this.removable]) set.reserve(size);
  }

  add({ original, removable }: Told): void {
    this.originals.add(original);
    this.removable.add(removable);
  }

  /** The file that was looked at last; `path` is relative to the home. */
  lastOne(path: ByteString): Told {
    const at = this.originals.hash(path);
    return {
      original: this.originals.hash(stateKey(at)),
      removable: this.removable.hash(removalKey()),
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
}

type Device = Pick<FileIdentity, "devMajor" | "devMinor">;

// The number of the device, as two words.
const DEVICE_BYTES = 8;

/** The files of a home that were copied, as a run writes them down that may be killed while it removes them. */
export class CopiedFiles {
  constructor(
    private readonly files: Fingerprints,
    private readonly device: Device,
  ) {}

  /** As bytes, for a file. */
  write(): Uint8Array {
    const files = this.files.write();
    const bytes = new Uint8Array(DEVICE_BYTES + files.length);
    new Uint32Array(bytes.buffer, 0, 2).set([this.device.devMajor, this.device.devMinor]);
    bytes.set(files, DEVICE_BYTES);
    return bytes;
  }

  /** What write returned; undefined for other bytes. */
  static read(bytes: Uint8Array): CopiedFiles | undefined {
    const files = Fingerprints.read(bytes.subarray(DEVICE_BYTES));
    if (files === undefined) return undefined;
    const [devMajor = 0, devMinor = 0] = new Uint32Array(bytes.slice(0, DEVICE_BYTES).buffer);
    return new CopiedFiles(files, { devMajor, devMinor });
  }

  /** True if a file of the home `top` is as it was copied. The number of a device may be another one when the machine has been started again. */
  has(stat: Stat, top: Device): boolean {
    const isOnTop = stat.devMajor === top.devMajor && stat.devMinor === top.devMinor;
    const key = removalKeyOf(isOnTop ? { ...stat, ...this.device } : stat);
    return this.files.has(this.files.hash(key));
  }
}
