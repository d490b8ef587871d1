import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "./display.ts";

/**
 * How many letters must be added, removed, changed or swapped with their neighbour (Damerau-Levenshtein). Of more than `most` it is only
 * known that they are more: among thousands of names that are not near, that is known early.
 */
export function editDistance(a: ByteString, b: ByteString, most = Number.POSITIVE_INFINITY): number {
  // So many letters are added or removed at least.
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    // No later row has less.
    if (Math.min(...row) > most) return most + 1;
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

const plain = (name: ByteString) => name.toLowerCase().replace(/[^a-z0-9]/g, "");

/** The known name that `name` was probably meant to be; undefined where none is near enough. */
export function suggest(name: ByteString, known: readonly ByteString[]): ByteString | undefined {
  if (name.length > 100) return undefined;
  const wanted = plain(name);
  if (wanted === "") return undefined;
  const all = known.map((one) => ({ one, text: plain(one) }));
  const exact = all.find(({ text }) => text === wanted);
  if (exact !== undefined) return exact.one;
  const [nearest] = all
    .flatMap(({ one, text }) => {
      const most = Math.max(1, Math.max(wanted.length, one.length) / 3);
      const distance = editDistance(wanted, text, most);
      return distance <= most ? [{ one, distance }] : [];
    })
    .sort((a, b) => a.distance - b.distance);
  if (nearest !== undefined) return nearest.one;
  return wanted.length < 2 ? undefined : all.find(({ text }) => text.startsWith(wanted))?.one;
}

/** `; did you mean 'X'?` for the end of a message; empty where no known name is near. */
export function didYouMean(name: ByteString, known: readonly ByteString[]): string {
  const near = suggest(name, known);
  return near === undefined ? "" : `; did you mean ${quoted(near)}?`;
}

/**
 * The known paths without those that have other numbers: of many such as /srv/c1 and /srv/c2, each is of somebody else, and none
 * is a misspelt one.
 */
export const sameNumbers = (path: ByteString, known: readonly ByteString[]): readonly ByteString[] =>
  known.filter((one) => numbersOf(one) === numbersOf(path));

const numbersOf = (path: ByteString) => path.match(/[0-9]+/g)?.join(" ");
