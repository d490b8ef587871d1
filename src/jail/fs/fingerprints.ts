/**
 * A set of texts that takes eight bytes for each: their hashes, with a random seed, so that nobody can choose two texts
 * with the same one.
 */
export class Fingerprints {
  private readonly seed = crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n;
  private values = new BigUint64Array(1024);
  private used = 0;
  private sorted = false;

  /** The number of texts that were added. */
  get size(): number {
    return this.used;
  }

  add(text: string): void {
    if (this.used === this.values.length) {
      const larger = new BigUint64Array(this.used * 2);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.used++] = Bun.hash.wyhash(text, this.seed);
    this.sorted = false;
  }

  has(text: string): boolean {
    const values = this.values.subarray(0, this.used);
    if (!this.sorted) values.sort();
    this.sorted = true;
    const wanted = Bun.hash.wyhash(text, this.seed);
    let low = 0;
    for (let high = this.used; low < high; ) {
      const middle = (low + high) >>> 1;
      if ((values[middle] ?? 0n) < wanted) low = middle + 1;
      else high = middle;
    }
    return low < this.used && values[low] === wanted;
  }
}
