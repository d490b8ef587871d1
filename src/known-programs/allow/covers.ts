import type { ByteString } from "../../../ffi/bytes.ts";

/**
 * The words that allow all that a word does, and with the same places nothing less. `rsync` is not one of `rsync download`: without
 * a limit for reading it refuses options that follow symbolic links if there is one for writing.
 */
const COVERING: Readonly<Record<string, readonly string[]>> = {
  sftp: ["restic sftp"],
  "restic sftp": ["sftp"],
  "sftp read-only": ["sftp", "restic sftp"],
  "scp upload": ["scp"],
  "scp download": ["scp"],
  "rsync upload": ["rsync"],
  "git read": ["git write"],
  "borg append-only": ["borg"],
};

/** True if some words of the key `allow` certainly allow all that this one does. Pure. */
export const isCovered = (word: ByteString, by: readonly ByteString[]): boolean =>
  by.includes(word) ||
  (Object.hasOwn(COVERING, word) && COVERING[word]?.some((one) => by.includes(one)) === true);

/** Words that allow each command of another one: before it, they alone count. */
const SHADOWING: Readonly<Record<string, string>> = {
  sftp: "sftp read-only",
  "restic sftp": "sftp read-only",
  borg: "borg append-only",
};

/** The words of a list that ever count. Pure. */
export const countingWords = (words: readonly ByteString[]): ByteString[] =>
  words.filter((word, at) => {
    const first = Object.hasOwn(SHADOWING, word) ? SHADOWING[word] : undefined;
    return first === undefined || !words.slice(0, at).includes(first);
  });
