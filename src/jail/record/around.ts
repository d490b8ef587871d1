import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath, pathsDownTo } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { below, ownMounts } from "../../system/mountinfo.ts";
import { byWhat, showing } from "../fs/leads-into.ts";
import { isRecorded } from "./registry.ts";

// Most jails are in the same directories.
const recorded = new Map<ByteString, boolean>();

/**
 * A function that tells the nearest jail in which the jail at a path is, or would be, by its name or by a mount; undefined if
 * there is none. `isJail`: knows jails besides those with a record, which need not have been where they are.
 */
export function jailsAround(): (
  path: ByteString,
  isJail?: (path: ByteString) => boolean,
) => ByteString | undefined {
  // Where proc(5) is not mounted, names alone tell.
  const shown = showing(answered(ownMounts) ?? []);
  return (path, isJail = () => false) => {
    const own = normalPath(path);
    for (const one of new Set([own, ...shown(own)])) {
      const outer = pathsDownTo(one)
        .slice(0, -1)
        .findLast(
          (above) => above !== own && (isJail(above) || recorded.getOrInsertComputed(above, isRecorded)),
        );
      if (outer !== undefined) return outer;
    }
    return undefined;
  };
}

/** What is wrong with a jail in another one, after the path of the first; printable. */
export function insideJail(path: ByteString, outer: ByteString): string {
  const how = below(path, outer) === undefined ? `, ${byWhat(path)},` : "";
  return `is${how} inside the jail ${quoted(outer)}, whose users can read what everybody may read in it, and reach its sockets: choose a place that is in no jail; to move a jail, see --moved in jailkit-adopt(8)`;
}
