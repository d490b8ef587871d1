import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { openAt, statIfPresent, withFd } from "../../../ffi/files.ts";
import { pathsDownTo } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { placeOf } from "../../config/trusted.ts";
import { below, isIn, type Mount, ownMounts, type Place, placeOn } from "../../system/mountinfo.ts";
import { isLink } from "./root.ts";

/** A path of the host without symbolic links, as far as it is there. */
export function realPath(path: ByteString): ByteString {
  for (const above of pathsDownTo(path).toReversed()) {
    const real = attempt(() => withFd(openAt(C.AT_FDCWD, above, C.O_PATH), (fd) => placeOf(fd, above)));
    if (real !== undefined) return (real === "/" ? "" : real) + path.slice(above.length) || "/";
  }
  return path;
}

/** A function that tells where a path without symbolic links would be, by each mount at or above it. */
function placing(mounts: readonly Mount[]): (real: ByteString) => Place[] {
  const byPoint = Map.groupBy(mounts, ({ mountPoint }) => mountPoint);
  return (real) => {
    const around = allDownTo(real).flatMap((above) => byPoint.get(above) ?? []);
    return around.flatMap((mount) => placeOn(mount, real) ?? []);
  };
}

const allDownTo = (path: ByteString): ByteString[] => ["/", ...pathsDownTo(path)];

/**
 * A function that tells all paths by which mounts show what is at a path of the host, which need not be there: first that one
 * itself, without symbolic links. Mounts that are covered by others count, too: these may go first.
 */
export function showing(mounts: readonly Mount[]): (path: ByteString) => ByteString[] {
  const placesAt = placing(mounts);
  const keyOf = ({ device }: Pick<Place, "device">, root: ByteString) => `${device} ${root}`;
  const byRoot = Map.groupBy(mounts, (mount) => keyOf(mount, mount.root));
  const pathsAt = (place: Place) =>
    allDownTo(place.path).flatMap((root) =>
      (byRoot.get(keyOf(place, root)) ?? []).map(
        ({ mountPoint }) => (mountPoint === "/" ? "" : mountPoint) + (below(place.path, root) ?? "") || "/",
      ),
    );
  return (path) => {
    const real = realPath(path);
    return [...new Set([real, ...placesAt(real).flatMap(pathsAt)])];
  };
}

/**
 * A function of two paths of the host, which need not be there: true if the first one is, or is in, the directory at the
 * second one, by their names, by symbolic links, or by mounts that show a part of a file system at two places. Mounts that are
 * covered by others count, too: these may go first. Throws JailkitError "no-proc".
 */
export function leadingInto(mounts = ownMounts()): (path: ByteString, directory: ByteString) => boolean {
  const placesBy = placing(mounts);
  const placesOf = (path: ByteString) => placesBy(realPath(path));
  // Thousands of jails are compared with a few directories.
  const known = new Map<ByteString, readonly Place[]>();
  const placesAt = (path: ByteString) => known.getOrInsertComputed(path, placesOf);
  return (path, directory) =>
    below(path, directory) !== undefined ||
    placesAt(directory).some((other) => placesAt(path).some((place) => isIn(place, other)));
}

/** The first symbolic link in a path of the host; undefined for none. */
export const linkIn = (path: ByteString): ByteString | undefined =>
  pathsDownTo(path).find((one) => {
    const stat = attempt(() => statIfPresent(C.AT_FDCWD, one));
    return stat !== undefined && isLink(stat);
  });

/** What makes a path name the directory of another one, which has no symbolic links; printable. */
export function byWhat(path: ByteString): string {
  const link = linkIn(path);
  return link === undefined ? "by a mount" : `by the symbolic link ${quoted(link)}`;
}
