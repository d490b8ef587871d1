import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath, pathsDownTo } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { isRecorded } from "./registry.ts";

// Most jails are in the same directories.
const recorded = new Map<ByteString, boolean>();

/**
 * The nearest jail in which the jail at a path is, or would be; undefined if there is none. `isJail`: knows jails besides
 * those with a record, which need not have been where they are.
 */
export const jailAround = (
  path: ByteString,
  isJail: (path: ByteString) => boolean = () => false,
): ByteString | undefined =>
  pathsDownTo(normalPath(path))
    .slice(0, -1)
    .findLast((above) => isJail(above) || recorded.getOrInsertComputed(above, isRecorded));

/** What is wrong with a jail in another one, after the path of the first; printable. Pure. */
export const insideJail = (outer: ByteString): string =>
  `is inside the jail ${quoted(outer)}, whose users can read what everybody may read in it, and reach its sockets: choose a place that is in no jail; to move a jail, see --moved in jailkit-adopt(8)`;
