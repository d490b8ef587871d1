/** A set as another thread gets it, with what it holds by now. */
export interface SharedFingerprints {
  readonly seed: bigint;
  readonly memory: SharedArrayBuffer;
  readonly used: number;
}

/**
 * A set of texts that takes eight bytes for each: their hashes (see `hash`), with a random seed, so that different texts have
 * the same one by chance only. The hash is not a cryptographic one: texts that have the same one with every seed can be made
 * on purpose, of names, or of times where a file system stores any number. So it is used only of the files in a home, for
 * which its user alone makes such texts: a change of theirs would not be noticed, or a file of theirs be removed that was not
 * copied.
 */
export class Fingerprints {
  private seed = crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n;
  private values = new BigUint64Array(new SharedArrayBuffer(8 * 1024));
  /** The same memory, each value as two words; lower one first. */
  private words = new Uint32Array(this.values.buffer);
  private readonly wanted = new BigUint64Array(1);
  private readonly wantedWords = new Uint32Array(this.wanted.buffer);
  private used = 0;
  private sorted = false;

  /** The set that another thread shares. */
  static of({ seed, memory, used }: SharedFingerprints): Fingerprints {
    const set = new Fingerprints();
    set.seed = seed;
    set.values = new BigUint64Array(memory);
    set.words = new Uint32Array(memory);
    set.used = used;
    set.sorted = true;
    return set;
  }

  /** The set for another thread. */
  share(): SharedFingerprints {
    this.sort();
    return { seed: this.seed, memory: this.values.buffer, used: this.used };
  }

  /** The set as bytes, for a file. */
  write(): Uint8Array {
    this.sort();
    const words = new BigUint64Array(1 + this.used);
    words[0] = this.seed;
    words.set(this.values.subarray(0, this.used), 1);
    return new Uint8Array(words.buffer);
  }

  /** The set that write returned; undefined for other bytes. */
  static read(bytes: Uint8Array): Fingerprints | undefined {
    if (bytes.length < 8 || bytes.length % 8 !== 0) return undefined;
    const seed = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
    const memory = new SharedArrayBuffer(bytes.length - 8);
    new Uint8Array(memory).set(bytes.subarray(8));
    return Fingerprints.of({ seed, memory, used: bytes.length / 8 - 1 });
  }

  /** The number of texts that were added. */
  get size(): number {
    return this.used;
  }

  /** The hash that stands for a text in this set, and in one that was made of it. */
  hash(text: string | Uint8Array): bigint {
    return Bun.hash.wyhash(text, this.seed);
  }

  add(hash: bigint): void {
    if (this.used === this.values.length) this.reserve(2 * this.used);
    this.values[this.used++] = hash;
    this.sorted = false;
  }

  /** Makes room for so many texts at once. */
  reserve(size: number): void {
    if (size <= this.values.length) return;
    const larger = new BigUint64Array(new SharedArrayBuffer(8 * size));
    larger.set(this.values);
    this.values = larger;
    this.sorted = false;
  }

  has(hash: bigint): boolean {
    this.sort();
    // Each element of a BigUint64Array would be an object.
    this.wanted[0] = hash;
    const [lower = 0, upper = 0] = this.wantedWords;
    const { words } = this;
    let low = 0;
    for (let high = this.used; low < high; ) {
      const middle = (low + high) >>> 1;
      const word = words[2 * middle + 1] ?? 0;
      if (word < upper || (word === upper && (words[2 * middle] ?? 0) < lower)) low = middle + 1;
      else high = middle;
    }
    return low < this.used && words[2 * low] === lower && words[2 * low + 1] === upper;
  }

  private sort(): void {
    if (this.sorted) return;
    this.values.subarray(0, this.used).sort();
    this.words = new Uint32Array(this.values.buffer);
    this.sorted = true;
  }
}
