import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";

/** Absolute paths without `..`; "all": no limit. */
export type Places = readonly ByteString[] | "all";

/** Where the program of a word may read and write, as the jail sees it. */
export interface AllowPlaces {
  readonly read: Places;
  readonly write: Places;
  /** The working directory of the program. */
  readonly home: ByteString;
}

/** Paths with the home in place of `~`. Without a home, one that begins with `~` stays, and leads nowhere. */
export function inHome(places: readonly ByteString[], home: ByteString): ByteString[];
export function inHome(places: Places, home: ByteString): Places;
export function inHome(places: Places, home: ByteString): Places {
  if (places === "all") return places;
  const above = home === "/" ? "" : home;
  const found: ByteString[] = [];
  for (const path of places) {
    const isInHome = path.startsWith("~") && home.startsWith("/");
    found.push(isInHome ? above + path.slice(1) || "/" : path);
  }
  return found;
}

/**
 * The places of a word, from the keys `read` and `write`, which are undefined if they are missing. What may be written may
 * be read; of the two keys, a missing one adds nothing to that, and without both there is no limit. A word that only reads
 * never writes. The home replaces `~`.
 */
export function placesOf(
  read: Places | undefined,
  write: Places | undefined,
  writes: boolean,
  home: ByteString,
): AllowPlaces {
  const isDrop = write !== undefined && write !== "all" && write.length > 0;
  const readable = inHome(read ?? (isDrop ? [] : "all"), home);
  const writable = inHome(write ?? (read === undefined ? "all" : []), home);
  const both = readable === "all" || writable === "all" ? readable : [...readable, ...writable];
  return { read: both, write: writes ? writable : [], home };
}

/** True if a component of a path is `..`. */
export function climbs(path: ByteString): boolean {
  for (const name of path.split("/")) if (name === "..") return true;
  return false;
}

/** The plain forms of places; one of an unknown home has none. */
function plainForms(places: readonly ByteString[]): ByteString[] {
  const forms: ByteString[] = [];
  for (const place of places) if (place.startsWith("/")) forms.push(normalPath(place));
  return forms;
}

/** True if a path is one of `places`, or below one; all are in their plain form. */
export function isIn(path: ByteString, places: readonly ByteString[]): boolean {
  for (const place of places) {
    if (place === "/" || path === place || path.startsWith(`${place}/`)) return true;
  }
  return false;
}

/**
 * Why a program may not `use` ("read" or "write") one of these paths; undefined if it may. Only the text is compared: the
 * kernel, which follows symbolic links, compares the files. A relative path begins at the home, where the program starts.
 */
export function placesFault(
  paths: readonly ByteString[],
  use: "read" | "write",
  { [use]: places, home }: AllowPlaces,
): string | undefined {
  if (places === "all") return undefined;
  // Once: a command may have thousands of paths.
  const allowed = plainForms(places);
  for (const path of paths) {
    if (climbs(path)) return `${quoted(path)} has '..' in it`;
    if (isIn(normalPath(path.startsWith("/") ? path : `${home}/${path}`), allowed)) continue;
    const verb = use === "read" ? "read" : "written";
    return `${quoted(path)} is in no place that may be ${verb} here`;
  }
  return undefined;
}

/** As placesFault, for one path. */
export const placeFault = (path: ByteString, use: "read" | "write", places: AllowPlaces) =>
  placesFault([path], use, places);
