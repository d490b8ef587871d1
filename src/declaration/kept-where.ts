import type { ByteString } from "../../ffi/bytes.ts";
import { isMissing } from "../../ffi/files.ts";
import { directoryOf, normalPath } from "../../ffi/paths.ts";
import { answered } from "../cli/error.ts";
import { lookUp } from "../jail/fs/look.ts";
import { mountRemedy } from "../jail/fs/unmounted.ts";
import { type JailRoot, openJailRoot, openTree } from "../jail/fs/walk.ts";
import { joinHome, splitHome } from "../system/separator.ts";
import { directoryIdIn, MAY_BE_OTHER, samenessOf } from "./ids.ts";
import type { KeptHome, OnceJail } from "./once-shape.ts";

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

/** True if another directory is now where that of a home was, or none; false for one of which that is not known. */
export const isElsewhere = (root: JailRoot | undefined, home: KeptHome): boolean =>
  home.directoryId !== undefined && home.directoryId !== (root && idNow(root, home));

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
  return now?.directoryId === undefined ? home : { ...home, ...now };
}

/** Equal for what is kept once: two directories may have been at a path. */
export const keptKey = ({ uid, home, directoryId = "" }: KeptHome): string => `${uid} ${home} ${directoryId}`;

/** What is kept, without some of it. */
export function withoutKept(all: readonly KeptHome[], gone: readonly KeptHome[]): readonly KeptHome[] {
  const keys = new Set(gone.map(keptKey));
  return keys.size === 0 ? all : all.filter((one) => !keys.has(keptKey(one)));
}

/** What is kept, with one more, and the directory in which that is now. */
export function withKept(all: readonly KeptHome[], home: KeptHome): readonly KeptHome[] {
  const now = withDirectory(home);
  return [...withoutKept(all, [home, now]), now];
}

/** What of a jail is kept that is in the directory at its path, and what was in another one; only what is there, or is not known. */
export function sortedByDirectory(jail: ByteString, kept: readonly KeptHome[]) {
  const all = kept.filter((home) => placeOf(home).jail === jail);
  const isAway = isMissing(jail);
  return (
    answered(() => {
      using root = isAway ? undefined : openPlace(jail);
      // It may be the place of a file system.
      if (mountRemedy(jail) !== undefined || (root !== undefined && lookUp(root, "/etc") === undefined))
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
