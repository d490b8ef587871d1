/** Sums for each user but root: of a process of several users for each of these. */
export class SumsByUser {
  readonly #sums = new Map<string, number>();

  add(uids: ReadonlySet<string>, count: number): void {
    for (const uid of uids) if (uid !== "0") this.#sums.set(uid, (this.#sums.get(uid) ?? 0) + count);
  }

  /** The largest of some users. */
  most(uids: ReadonlySet<string>): number {
    return Math.max(0, ...[...uids].map((uid) => this.#sums.get(uid) ?? 0));
  }
}

/** How many milliseconds the processes of a user get of one look: one user could make that take minutes, for whatever is looked for. */
export const MOST_MILLISECONDS = 10_000;
