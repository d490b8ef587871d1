import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { operands } from "../cli/shell-word.ts";

/** Whether something has a name. */
export type IsThere = (path: ByteString) => boolean;

/** On the host. Where nobody may look it is not known; mv(1) with -n then moves nothing. */
export const isOnHost: IsThere = (path) => attempt(() => statIfPresent(AT_FDCWD, path)) !== undefined;

/**
 * A path with an ending, such as ".old", which it gets as often as it takes until nothing has that name: mv(1) with -n moves
 * nothing to the name of a file that is there.
 */
export function freeName(path: ByteString, ending: ByteString, isThere = isOnHost): ByteString {
  const name = path + ending;
  return isThere(name) ? freeName(name, ending, isThere) : name;
}

/** The same for a name that is not that of the file with an ending: `wanted`, or with a number from 2 on behind it. */
export function freeNumbered(wanted: ByteString, isThere = isOnHost): ByteString {
  let name = wanted;
  for (let number = 2; isThere(name); number++) name = `${wanted}-${number}`;
  return name;
}

/** The command that keeps a file of the host under another name. */
export const asideCommand = (path: ByteString, ending: ByteString = ".old"): ByteString =>
  `mv -nT ${operands(path, freeName(path, ending))}`;
