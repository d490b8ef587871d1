import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { isMissing, statIfPresent } from "../../ffi/files.ts";
import { directoryOf, normalPath } from "../../ffi/paths.ts";
import { answered } from "../cli/error.ts";
import { leadsTo, TRUSTED } from "../jail/fs/leads-to.ts";
import { lookUp } from "../jail/fs/look.ts";
import { mountRemedy, unmountedIn } from "../jail/fs/unmounted.ts";
import { type JailRoot, openJailRoot, openTree } from "../jail/fs/walk.ts";
import { joinHome, splitHome } from "../system/separator.ts";
import { hostsOwnHome } from "../users/one-home.ts";
import { directoryIdIn, MAY_BE_OTHER, samenessOf } from "./ids.ts";
import type { KeptHome, OnceJail, OnceUser } from "./once-shape.ts";

// A jail may be made anew where the file system of a directory above it is not mounted, or another one: then a home is missing
// that comes back with the mount. So it is remembered in which directory it was, and is gone only if that very one has it no more.

/** The jail of a home, "/" for none, and its path in there. */
export function placeOf({ home }: Pick<KeptHome, "home">): { jail: ByteString; path: ByteString } {
  const split = splitHome(home);
  return { jail: normalPath(split?.jail ?? "/"), path: normalPath(split?.home ?? home) };
}

/** A jail is kept as a whole, for what else in it has the uid. */
export const isWholeJail = (home: KeptHome): boolean => placeOf(home).path === "/";

export const openPlace = (jail: ByteString): JailRoot => (jail === "/" ? openTree("/") : openJailRoot(jail));

/**
 * Identifies the directory in an open jail in which a home is, or was; of a whole jail, or where something is mounted on the home,
 * what is there itself.
 */
function idNow(root: JailRoot, home: KeptHome): ByteString | undefined {
  const { path } = placeOf(home);
  const above = directoryOf(path);
  const there = lookUp(root, path)?.stat;
  const isMounted = there !== undefined && there.mountId !== lookUp(root, above)?.stat.mountId;
  return directoryIdIn(root, path === "/" || isMounted ? path : above);
}

/**
 * True if another directory is now where that of a home was, or none, or the home was not there; false for one of which that is not
 * known.
 */
export const isElsewhere = (root: JailRoot | undefined, home: KeptHome): boolean =>
  home.isLost === true ||
  (home.directoryId !== undefined && home.directoryId !== (root && idNow(root, home)));

/** Whether a path of a jail is on another file system than the jail, which may go without it. */
const isOnMount = (root: JailRoot, path: ByteString): boolean =>
  root.isJail && lookUp(root, path)?.stat.mountId !== root.top.stat.mountId;

/** A home with the directory in which it is; as it was, if that is known or it is not there. */
export function withDirectory(home: KeptHome): KeptHome {
  if (home.directoryId !== undefined) return home;
  const now = answered(() => {
    const { jail, path } = placeOf(home);
    using root = openPlace(jail);
    if (path !== "/" && lookUp(root, path)?.stat.uid !== home.uid) return undefined;
    return { directoryId: idNow(root, home), isMounted: isOnMount(root, path) || undefined };
  });
  return now?.directoryId === undefined ? home : { ...home, isLost: home.isLost, ...now };
}

/** Equal for what is kept once: two directories may have been at a path. */
export const keptKey = ({ uid, home, directoryId = "" }: KeptHome): string => `${uid} ${home} ${directoryId}`;

/** What is kept, without some of it. */
export function withoutKept(all: readonly KeptHome[], gone: readonly KeptHome[]): readonly KeptHome[] {
  const keys = new Set(gone.map(keptKey));
  return keys.size === 0 ? all : all.filter((one) => !keys.has(keptKey(one)));
}

/** What is kept, without the home that a user did not have, and has again. */
export const withoutLost = (all: readonly KeptHome[], { created, createdHome }: OnceUser) =>
  all.filter((one) => !(one.isLost && one.uid === created && one.home === createdHome));

/** The home of a uid to which a link in its jail leads the host, and which stays when the jail goes; undefined for none. */
export const homeOutside = (home: KeptHome): KeptHome | undefined =>
  answered(() => {
    const { jail, path } = placeOf(home);
    if (jail === "/" || path === "/") return undefined;
    using root = openJailRoot(jail);
    const found = hostsOwnHome(root, path);
    const place = found && leadsTo(found, TRUSTED);
    if (place === undefined || statIfPresent(AT_FDCWD, place)?.uid !== home.uid) return undefined;
    const { name, uid } = home;
    return withDirectory({ name, uid, home: place, created: undefined, directoryId: undefined });
  });

/** What is kept, with one more, the directory in which that is now, and the home outside of its jail. */
export function withKept(all: readonly KeptHome[], home: KeptHome): readonly KeptHome[] {
  const outside = homeOutside(home);
  const inside = outside !== undefined && home.isLost ? [] : [withDirectory(home)];
  const now = outside === undefined ? inside : [...inside, outside];
  return [...withoutKept(all, [home, ...now]), ...now];
}

/** What of a jail is kept that is in the directory at its path, and what was in another one; only what is there, or is not known. */
export function sortedByDirectory(jail: ByteString, kept: readonly KeptHome[]) {
  const all = kept.filter((home) => placeOf(home).jail === jail);
  const isAway = isMissing(jail);
  return (
    answered(() => {
      using root = isAway ? undefined : openPlace(jail);
      // It may be the place of a file system.
      if (
        mountRemedy(jail) !== undefined ||
        unmountedIn(jail).length > 0 ||
        (root !== undefined && lookUp(root, "/etc") === undefined)
      )
        return undefined;
      const elsewhere = all.filter((home) => isElsewhere(root, home));
      return { here: isAway ? [] : all.filter((home) => !elsewhere.includes(home)), elsewhere };
    }) ?? { here: [], elsewhere: [] }
  );
}

/**
 * Those of some homes that were on a file system which is not mounted in a jail any more. Not those of another jail, which was at
 * its path before.
 */
export function keptElsewhere(
  jail: ByteString,
  kept: readonly KeptHome[],
  isLeft: (home: KeptHome) => boolean,
): readonly KeptHome[] {
  const { here, elsewhere } = sortedByDirectory(jail, kept);
  const ofJail = new Set(here.flatMap((home) => (isWholeJail(home) ? home.uid : [])));
  return elsewhere.filter((home) => home.isMounted === true && ofJail.has(home.uid) && isLeft(home));
}

/** What is kept of a jail that is another directory now than it was: for each uid that was in it, the whole. */
export function keptOfFormer(
  before: OnceJail | undefined,
  { path, directoryId: now }: OnceJail,
  all: () => readonly KeptHome[],
): KeptHome[] {
  const directoryId = before?.directoryId ?? MAY_BE_OTHER;
  if (directoryId === MAY_BE_OTHER || samenessOf(directoryId, now) === "same") return [];
  const inIt = all().filter((home) => placeOf(home).jail === path && home.directoryId === undefined);
  const byUid = new Map(inIt.map(({ name, uid }) => [uid, name]));
  const home = joinHome(path, "/");
  return [...byUid].map(([uid, name]) => ({ name, uid, home, created: undefined, directoryId }));
}
