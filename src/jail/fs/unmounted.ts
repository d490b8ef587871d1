import type { ByteString } from "../../../ffi/bytes.ts";
import { isMissing } from "../../../ffi/files.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { allOf, type Remedy } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { onlyRootExchanges } from "../../system/exchange.ts";
import { hostText } from "../../system/host-files.ts";
import { below } from "../../system/mountinfo.ts";
import { fstabFields, fstabPlace, isKernelType, mountsText, mountTypes } from "../../system/mounts.ts";
import { leadsTo, TRUSTED } from "./leads-to.ts";
import { hostPath, type JailRoot } from "./walk.ts";

/** What is known of mount points: the texts of fstab(5) and /proc/self/mounts, and what a path leads to without links. */
interface Known {
  readonly fstab: ByteString;
  readonly mounts: ByteString;
  readonly realOf: (path: ByteString) => ByteString;
}

/** A mount point as fstab(5) has it, and as the kernel does. */
interface Point {
  readonly point: ByteString;
  readonly real: ByteString;
}

/** The mount points of fstab(5) on which nothing is mounted; the uppermost first. */
function unmounted(
  isWanted: (real: ByteString, type: ByteString, options: readonly ByteString[]) => boolean,
  { fstab, mounts, realOf }: Known,
): Point[] {
  const named = fstab.split("\n").flatMap((line) => {
    const point = fstabPlace(line);
    const [, , type = "", options = ""] = fstabFields(line);
    return point === undefined || point === "/" ? [] : [{ point, type, options: options.split(",") }];
  });
  if (named.length === 0) return [];
  const mounted = mountTypes(mounts);
  // What is mounted is not looked at: a machine that serves it may not answer.
  const points = named.flatMap(({ point, type, options }) => {
    if (mounted.has(point)) return [];
    // mount(8) follows links.
    const real = realOf(point);
    return !mounted.has(real) && isWanted(real, type, options) ? [{ point, real }] : [];
  });
  const byPoint = new Map(points.map((one) => [one.point, one]));
  return [...byPoint.values()].sort((a, b) => a.real.length - b.real.length);
}

const pointsOf = (found: readonly Point[]): ByteString[] => found.map(({ point }) => point);

/** The same of those at a path and above it. Pure, but for `realOf`. */
export const unmountedAbove = (path: ByteString, known: Known): ByteString[] => {
  const isAt = (one: ByteString, real: ByteString) => below(one, real) !== undefined;
  return pointsOf(unmounted((real) => isAt(path, real) || isAt(known.realOf(path), real), known));
};

/**
 * The same of those below it whose file systems may have files of users: not proc(5) and the like, one that begins empty, or
 * that of a disc. `programs`: only those that may have setuid programs.
 */
export const unmountedBelow = (path: ByteString, known: Known, programs = false): ByteString[] =>
  pointsOf(
    unmounted(
      (real, type, options) =>
        (below(real, path) ?? "") !== "" &&
        !(isKernelType(type) || ["tmpfs", "iso9660"].includes(type)) &&
        !(programs && options.includes("nosuid")),
      known,
    ),
  );

/** As this machine has it. Users may have made links: those do not count. Throws SystemError. */
export const ofMachine = (): Known => ({
  fstab: hostText("/etc/fstab") ?? "",
  mounts: mountsText(),
  realOf: (path) => leadsTo(path, TRUSTED),
});

/** The file systems that /etc/fstab names in a directory, and that are not mounted, as unmountedBelow. Throws SystemError. */
export const unmountedIn = (directory: ByteString): ByteString[] =>
  unmountedBelow(normalPath(directory), ofMachine());

/**
 * Throws JailkitError "not-mounted", with the command that mounts it, if a file system that /etc/fstab names in a directory is
 * not mounted: what is there is not known then. Throws SystemError.
 */
export function requireNoneUnmounted(directory: ByteString): void {
  const [point] = unmountedIn(directory);
  if (point !== undefined) throw notMounted(point, mountCommand(point));
}

/**
 * The error for the first of some paths of an open jail that is at or below a mount point which /etc/fstab names in the jail, and
 * on which nothing is mounted: the next mount would hide what is created there. Undefined if there is none, or if that cannot be
 * seen.
 */
export const unmountedPlace = (root: Pick<JailRoot, "path">, paths: Iterable<ByteString>) =>
  unmountedPlaces()(root, paths);

/** The same for many jails, by one look at the mounts. */
export function unmountedPlaces(): (
  root: Pick<JailRoot, "path">,
  paths: Iterable<ByteString>,
) => JailkitError | undefined {
  const known = answered(ofMachine);
  const all = (known && answered(() => unmounted(() => true, known))) ?? [];
  const realOf = (path: ByteString) => known?.realOf(path) ?? path;
  return (root, paths) => {
    const points = all.filter(({ real }) => (below(real, root.path) ?? "") !== "");
    if (points.length === 0) return undefined;
    for (const path of paths) {
      const place = hostPath(root, path);
      const led = realOf(place);
      const above = points.filter(({ real }) => [place, led].some((one) => below(one, real) !== undefined));
      if (above.length > 0) return notMounted(place, allOf(pointsOf(above).map(mountCommand)));
    }
    return undefined;
  };
}

const notMounted = (place: ByteString, remedy: Remedy): JailkitError =>
  new JailkitError("not-mounted", 1, `${quoted(place)}: ${unmountedReason(remedy)}`, undefined, remedy);

/**
 * The command that mounts the file systems which a path of the host is on by /etc/fstab, if they are not mounted: what is
 * missing there must not be created below a mount point. Undefined if they are mounted, or if that cannot be seen.
 */
export const mountRemedy = (path: ByteString): Remedy | undefined => mountRemedies()(path);

/** The same for many paths, by one look at the mounts. */
export function mountRemedies(): (path: ByteString) => Remedy | undefined {
  const known = answered(ofMachine);
  return (path) => {
    const points = known && answered(() => unmountedAbove(normalPath(path), known));
    if (points === undefined || points.length === 0) return undefined;
    return allOf(points.map(mountCommand));
  };
}

/** The error for a path of the host that is on such a file system; undefined as for mountRemedy. */
export function unmountedAt(path: ByteString): JailkitError | undefined {
  const remedy = mountRemedy(path);
  return remedy === undefined ? undefined : notMounted(path, remedy);
}

/** Throws it. */
export function requireMountedAt(path: ByteString): void {
  const unmounted = unmountedAt(path);
  if (unmounted !== undefined) throw unmounted;
}

/** With the mount point, if it is missing and nobody else can put something in its place. */
function mountCommand(point: ByteString): Remedy {
  const mount: Remedy = `mount ${operands(point)}`;
  const isMade = isMissing(point) && onlyRootExchanges(point);
  return isMade ? `mkdir -p ${operands(point)} && ${mount}` : mount;
}

/** What is said of a jail that is missing or empty because of that. */
export const unmountedReason = (remedy: Remedy): ByteString =>
  `its file system, which /etc/fstab names, is not mounted; fix it with: ${remedy}`;
