import type { ByteString } from "../../ffi/bytes.ts";
import { normalPath } from "../../ffi/paths.ts";
import { unescaped } from "../../ffi/served.ts";
import { answered } from "../cli/error.ts";
import { operands } from "../cli/shell-word.ts";
import { hostText } from "./host-files.ts";
import { below } from "./mountinfo.ts";
import { fstabFields, mountsText, mountTypes } from "./mounts.ts";

/**
 * The mount points of fstab(5), at a path and above it, on which nothing is mounted; the uppermost first. `mounts` is the
 * text of /proc/self/mounts. Pure.
 */
export function unmountedAbove(path: ByteString, fstab: ByteString, mounts: ByteString): ByteString[] {
  const points = fstab.split("\n").flatMap((line) => {
    const [, where = ""] = fstabFields(line);
    return where.startsWith("/") ? [normalPath(unescaped(where))] : [];
  });
  const above = [...new Set(points)].filter((point) => point !== "/" && below(path, point) !== undefined);
  if (above.length === 0) return [];
  const mounted = mountTypes(mounts);
  return above.filter((point) => !mounted.has(point)).sort((a, b) => a.length - b.length);
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
