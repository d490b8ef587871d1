import type { ByteString } from "../../ffi/bytes.ts";
import { answered, describeError, isReported, JailkitError, remedyOf } from "../cli/error.ts";
import { lookUp, readJailLink } from "../jail/fs/look.ts";
import { isLink, isRegular, joinPath } from "../jail/fs/walk.ts";
import type { KeyLine } from "./key-lines.ts";
import { FILE, KEYS_DIRECTORY, type KeyPlace, SECOND_FILE } from "./key-place.ts";
import { type KeyMerge, withLinesOf, withoutKeys } from "./key-text.ts";
import { changeKeys, keysText } from "./keys.ts";

// What is taken away, or limited, is so in all files in which sshd(8) looks by its default. The first one is changed whatever the
// user has put in the place of the second one.

interface Second {
  readonly place: KeyPlace;
  readonly text: ByteString;
  /** Why keys in it are not known. */
  readonly fault?: JailkitError;
}

/** True for what has no keys besides those of the first file: what is no file for sshd(8), or a link to that file. */
function hasNone({ root }: KeyPlace, path: ByteString): boolean {
  const stat = answered(() => lookUp(root, path))?.stat;
  if (stat === undefined || !(isRegular(stat) || isLink(stat))) return true;
  return isLink(stat) && answered(() => readJailLink(root, path)) === FILE;
}

function readSecond(home: KeyPlace): Second {
  const place = { ...home, file: SECOND_FILE };
  try {
    return { place, text: keysText(place) };
  } catch (error) {
    if (!isReported(error)) throw error;
    const path = joinPath(joinPath(home.home, KEYS_DIRECTORY), SECOND_FILE);
    if (hasNone(home, path)) return { place, text: "" };
    const message = `what is taken away may be valid by a second file, which sshd reads as well: ${describeError(error)}`;
    const fault = new JailkitError("keys-not-written", 1, message, undefined, remedyOf(error));
    return { place, text: "", fault };
  }
}

/** What is in all files in which sshd(8) looks for keys in a home. */
export interface AllKeys {
  readonly text: ByteString;
  /** Why there may be more. */
  readonly fault: JailkitError | undefined;
}

/** Reads them. Throws as keysText does, of the first one. */
export function readAllKeys(home: KeyPlace): AllKeys {
  const first = keysText(home);
  const { text, fault } = readSecond(home);
  return { text: `${first}\n${text}`, fault };
}

/** Why keys that are taken away may be valid all the same; undefined if they are not. */
export const keysBeside = (home: KeyPlace): JailkitError | undefined =>
  answered(() => readSecond(home))?.fault;

/** The same error for keys that are to go, where they may be. */
export function notTaken<T>(error: T): T | JailkitError {
  if (!(error instanceof JailkitError && error.code === "keys-not-written")) return error;
  const message = `keys that are to go may still let somebody in: ${describeError(error)}`;
  return new JailkitError(error.code, 1, message, undefined, remedyOf(error));
}

/**
 * Removes the lines of keys, and returns how many. What others can write keeps its mode. Throws as keysText does, with what
 * notTaken says.
 */
export function removeKeys(home: KeyPlace, keys: Pick<ReadonlySet<ByteString>, "has">): number {
  try {
    return changeThere(home, (text) => withoutKeys(text, keys));
  } catch (error) {
    throw notTaken(error);
  }
}

/** What removeKeys would throw, or why keys may be in another file; undefined if neither is known. Throws other errors. */
export function whyNotTaken(home: KeyPlace): JailkitError | undefined {
  try {
    return readAllKeys(home).fault;
  } catch (error) {
    const why = notTaken(error);
    if (why instanceof JailkitError) return why;
    throw error;
  }
}

/** Gives keys that are there the options of these, as removeKeys removes them; how many lines changed. */
export const setKeyOptions = (home: KeyPlace, keys: readonly KeyLine[]): number =>
  changeThere(home, (text) => withLinesOf(text, keys));

function changeThere(
  home: KeyPlace,
  change: (text: ByteString) => Pick<KeyMerge, "text"> & { count: number },
): number {
  const changed = (place: KeyPlace, text: ByteString) =>
    change(text).count === 0 ? 0 : changeKeys(place, change).count;
  const count = changed(home, keysText(home));
  const { place, text } = readSecond(home);
  return count + changed(place, text);
}
