import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { operands } from "../cli/shell-word.ts";

/** Whether something has a name. */
export type IsThere = (path: ByteString) => boolean;

/** On the host. Where nobody may look it is not known; mv(1) with -n then moves nothing. */
export const isOnHost: IsThere = (path) => attempt(() => statIfPresent(AT_FDCWD, path)) !== undefined;

// In bytes, on every file system of Linux.
const NAME_MAX = 255;

/** A path with an ending; the name becomes shorter where the file system allows no longer one, by whole characters of UTF-8. */
function withEnding(path: ByteString, ending: ByteString): ByteString {
  const most = path.lastIndexOf("/") + 1 + NAME_MAX - ending.length;
  const cut = path.slice(0, most);
  const isWhole = !/^[\x80-\xbf]/.test(path.slice(most));
  return (isWhole ? cut : cut.replace(/[\xc0-\xff][\x80-\xbf]*$/, "")) + ending;
}

/** The name with a number that nothing has. */
function firstFree(nameOf: (number: number) => ByteString, isThere: IsThere): ByteString {
  const isTaken = (number: number) => isThere(nameOf(number));
  let [taken, free] = [0, 1];
  while (isTaken(free)) [taken, free] = [free, 2 * free];
  // Of thousands, few are asked about.
  while (free - taken > 1) {
    const middle = (taken + free) >> 1;
    if (isTaken(middle)) taken = middle;
    else free = middle;
  }
  return nameOf(free);
}

/**
 * A path with an ending, such as ".old", or ".old2" and so on if something has that name: mv(1) with -n moves nothing to the
 * name of a file that is there. `last`: what comes behind it, such as ".ini".
 */
export const freeName = (path: ByteString, ending: ByteString, isThere = isOnHost, last = ""): ByteString =>
  firstFree((number) => withEnding(path, `${ending}${number === 1 ? "" : number}${last}`), isThere);

/** The same for a name that is not that of the file with an ending: `wanted`, or with a number from 2 on behind it. */
export const freeNumbered = (wanted: ByteString, isThere = isOnHost): ByteString =>
  firstFree((number) => withEnding(wanted, number === 1 ? "" : `-${number}`), isThere);

/** The command that keeps a file of the host under another name. */
export const asideCommand = (path: ByteString, ending: ByteString = ".old"): `mv -nT ${string}` =>
  `mv -nT ${operands(path, freeName(path, ending))}`;
