import type { ByteString } from "../../ffi/bytes.ts";
import { normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { answered, JailkitError } from "../cli/error.ts";
import { operands } from "../cli/shell-word.ts";
import { hostText } from "./host-files.ts";
import { below } from "./mountinfo.ts";
import { fstabFields, fstabPlace, isKernelType, mountsText, mountTypes } from "./mounts.ts";

/** The mount points of fstab(5) on which nothing is mounted; the uppermost first. */
function unmounted(
  isWanted: (point: ByteString, type: ByteString) => boolean,
  fstab: ByteString,
  mounts: ByteString,
): ByteString[] {
  const points = fstab.split("\n").flatMap((line) => {
    const point = fstabPlace(line);
    return point !== undefined && point !== "/" && isWanted(point, fstabFields(line)[2] ?? "") ? [point] : [];
  });
  if (points.length === 0) return [];
  const mounted = mountTypes(mounts);
  return [...new Set(points)].filter((point) => !mounted.has(point)).sort((a, b) => a.length - b.length);
}

/** The same of those at a path and above it. `mounts` is the text of /proc/self/mounts. Pure. */
export const unmountedAbove = (path: ByteString, fstab: ByteString, mounts: ByteString): ByteString[] =>
  unmounted((point) => below(path, point) !== undefined, fstab, mounts);

/** The same of those below it whose file systems may have files of users: not proc(5) and the like, or one that begins empty. */
export const unmountedBelow = (path: ByteString, fstab: ByteString, mounts: ByteString): ByteString[] =>
  unmounted(
    (point, type) => (below(point, path) ?? "") !== "" && !(isKernelType(type) || type === "tmpfs"),
    fstab,
    mounts,
  );

/**
 * Throws JailkitError "not-mounted", with the command that mounts it, if a file system that /etc/fstab names in a directory is
 * not mounted: what is there is not known then. Throws SystemError.
 */
export function requireNoneUnmounted(directory: ByteString): void {
  const [point] = unmountedBelow(normalPath(directory), hostText("/etc/fstab") ?? "", mountsText());
  if (point === undefined) return;
  const remedy = `mount ${operands(point)}`;
  throw new JailkitError("not-mounted", 1, `${quoted(point)}: ${unmountedReason(remedy)}`, undefined, remedy);
}

/**
 * The command that mounts the file systems which a path of the host is on by /etc/fstab, if they are not mounted: what is
 * missing there must not be created below a mount point. Undefined if they are mounted, or if that cannot be seen.
 */
export function mountRemedy(path: ByteString): ByteString | undefined {
  const points = answered(() => unmountedAbove(normalPath(path), hostText("/etc/fstab") ?? "", mountsText()));
  if (points === undefined || points.length === 0) return undefined;
  return points.map((point) => `mount ${operands(point)}`).join(" && ");
}

/** What is said of a jail that is missing or empty because of that. */
export const unmountedReason = (remedy: ByteString): ByteString =>
  `its file system, which /etc/fstab names, is not mounted; fix it with: ${remedy}`;
