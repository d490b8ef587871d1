import type { ByteString } from "../../../ffi/bytes.ts";
import { O_NOFOLLOW, O_PATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS } from "../../../ffi/constants.ts";
import { withFd } from "../../../ffi/files.ts";
import { cloneMountOf } from "../../../ffi/mounts.ts";
import { openAt2 } from "../../../ffi/open.ts";
import { directoryOf, pathsDownTo } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { operands } from "../../cli/shell-word.ts";
import { adviceAt } from "../../system/exchange.ts";
import { below, type Mount, ownMounts } from "../../system/mountinfo.ts";
import { hostPath, type JailRoot, withDirectory } from "./walk.ts";

/**
 * The error for the first of some paths of an open jail, without symbolic links, that leads to something below what is mounted
 * above it, or may: of several mounts at one place, nobody sees what the lower ones have. Undefined if there is none, or if that
 * cannot be seen.
 */
export function coveredPlace(root: JailRoot, paths: Iterable<ByteString>): JailkitError | undefined {
  const mounts = answered(ownMounts) ?? [];
  const points = new Set(mounts.map(({ mountPoint }) => below(mountPoint, root.path) ?? ""));
  if (points.size === 1) return undefined;
  const hiding = placesWithHiddenMounts(mounts, root.path);
  for (const path of paths) {
    const above = pathsDownTo(directoryOf(path)).filter((one) => points.has(one));
    const place = hostPath(root, path);
    const point = above.find((one) => answered(() => isBelow(root, one, path)));
    if (point !== undefined) return covered(place, hostPath(root, point), "is hidden");
    const several = above.find((one) => hiding.has(one));
    if (several !== undefined) return covered(place, hostPath(root, several), "may be hidden");
  }
  return undefined;
}

/**
 * The places below a jail where a mount hides another one, that may have files of the jail: as the jail sees them. `mounts`: in
 * the order in which they were mounted. Pure.
 */
export function placesWithHiddenMounts(mounts: readonly Mount[], jail: ByteString): Set<ByteString> {
  const points = Map.groupBy(mounts, ({ mountPoint }) => below(mountPoint, jail) ?? "");
  points.delete("");
  return new Set(
    // An automount stays below what it has mounted, and nobody can create a file in autofs.
    [...points]
      .filter(([, all]) => all.slice(0, -1).some(({ type }) => type !== "autofs"))
      .map(([point]) => point),
  );
}

/** Whether a path is there without what is mounted at `point`. Throws SystemError. */
function isBelow(root: JailRoot, point: ByteString, path: ByteString): boolean {
  const at = directoryOf(point);
  const rest = path.slice(at === "/" ? 1 : at.length + 1);
  return withDirectory(root, at, (directory) => {
    if (directory.path !== at) return false;
    const look = (mount: number) =>
      withFd(
        openAt2(mount, rest, O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS),
        () => true,
      );
    return withFd(cloneMountOf(directory.fd, at), look);
  });
}

function covered(place: ByteString, point: ByteString, how: string): JailkitError {
  const { advice, remedy } = adviceAt(point, `umount ${operands(point)}`);
  const message = `${quoted(place)}: ${how} by what is mounted at ${quoted(point)}; unmount that first: ${advice}`;
  return new JailkitError("mounts", 1, message, undefined, remedy);
}
