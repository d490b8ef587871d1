import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { allOf, type Remedy } from "../../cli/remedy.ts";
import { withTree } from "../../jail/fs/look.ts";
import { mountCommand } from "../../jail/record/live.ts";
import { REGISTRY } from "../../jail/record/manifest.ts";
import { commentOut, fstabPlace } from "../../system/mounts.ts";
import { bootFault, isOfDirectory, isOurs, lineOf, shownBy, showsAtBoot } from "./live-line.ts";
import { changeFstab, fstabText, requireFstab } from "./proc.ts";

/** The command that makes comments of the lines of others that mount something else in the place of a directory; "" for none. */
function freePlace(fstab: ByteString, jail: ByteString, path: ByteString): Remedy {
  const isOther = (line: ByteString) => fstabPlace(line) === jail + path && !isOfDirectory(line, path);
  const lines = fstab.split("\n").filter(isOther);
  return lines.length === 0 ? "" : commentOut(lines);
}

/** Throws JailkitError "fstab" if a line of others mounts something else in the place of a directory. */
function requireFree(fstab: ByteString, jail: ByteString, path: ByteString): void {
  const remedy = freePlace(fstab, jail, path);
  if (remedy === "") return;
  const message = `/etc/fstab mounts something else on ${display(jail + path)} than the host's ${display(path)}; if that is not wanted any more: ${remedy}`;
  throw new JailkitError("fstab", 1, message, undefined, remedy);
}

/** The command that lets the next boot show a directory of the host in a jail, where /etc/fstab has no such line. */
export function bootRemedy(jail: ByteString, path: ByteString): Remedy {
  const free = freePlace(fstabText(), jail, path);
  return allOf([free, mountCommand(jail)]);
}

/**
 * The text of fstab(5) with a line for each directory of the host in a jail; undefined if it has them already. One that does
 * not show it at each boot, or lacks a restriction, is replaced. Throws JailkitError "fstab" for a line of others that mounts
 * something else there.
 */
export function withLiveLines(
  fstab: ByteString,
  jail: ByteString,
  directories: readonly ByteString[],
): ByteString | undefined {
  for (const path of directories) requireFree(fstab, jail, path);
  const lines = fstab.split("\n");
  const pathOf = (line: ByteString) => {
    const where = fstabPlace(line);
    return directories.find((one) => jail + one === where);
  };
  const isRight = (line: ByteString, path: ByteString) => pathOf(line) === path && showsAtBoot(line, path);
  const there = new Set(directories.filter((path) => lines.some((line) => isRight(line, path))));
  const kept = lines.flatMap((line) => {
    const path = pathOf(line);
    if (path === undefined || isRight(line, path)) return [line];
    // Of two, the next boot may take either.
    if (there.has(path)) return [];
    there.add(path);
    return [lineOf(jail, path, line)];
  });
  const text = kept.join("\n");
  const added = directories.filter((path) => !there.has(path)).map((path) => `${lineOf(jail, path)}\n`);
  if (added.length === 0) return text === fstab ? undefined : text;
  return `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${added.join("")}`;
}

/**
 * The text of fstab(5) without our lines for directories of the host in a jail, all or the given ones; undefined if there
 * are none. A line of others that shows a given one goes too: with it, none of ours was added.
 */
export function withoutLiveLines(
  fstab: ByteString,
  jail: ByteString,
  directories?: readonly ByteString[],
): ByteString | undefined {
  const lines = fstab.split("\n");
  const goes = (line: ByteString) => {
    const where = fstabPlace(line) ?? "/";
    if (directories === undefined) return isOurs(line) && where.startsWith(`${jail}/`);
    const path = directories.find((one) => jail + one === where);
    return path !== undefined && isOfDirectory(line, path);
  };
  const kept = lines.filter((line) => !goes(line));
  return kept.length === lines.length ? undefined : kept.join("\n");
}

const liveByHand = (jail: ByteString) => `add the lines for ${display(jail)} by hand`;
const liveOutByHand = (jail: ByteString) => `take the lines for ${display(jail)} out by hand`;

/** Adds the lines to /etc/fstab. True if it was changed. */
export function addLiveLines(jail: ByteString, directories: readonly ByteString[]): boolean {
  const change = (fstab: ByteString) => withLiveLines(fstab, jail, directories);
  return withTree((etc) => changeFstab(etc, change, liveByHand(jail)), "/etc");
}

/** Throws the JailkitError or SystemError with which addLiveLines would fail. */
export const requireLiveLines = (jail: ByteString, directories: readonly ByteString[]): void =>
  requireFstab((fstab) => withLiveLines(fstab, jail, directories), liveByHand(jail));

/** The same of removeLiveLines. */
export const requireNoLiveLines = (jail: ByteString, directories?: readonly ByteString[]): void =>
  requireFstab((fstab) => withoutLiveLines(fstab, jail, directories), liveOutByHand(jail));

/**
 * Tells why the text of fstab(5) does not show a directory of the host in a jail at each boot, with all restrictions;
 * undefined if it does. Pure.
 */
export function bootFaultsIn(
  fstab: ByteString,
): (jail: ByteString, directory: ByteString) => string | undefined {
  const byPlace = Map.groupBy(fstab.split("\n"), fstabPlace);
  return (jail, directory) => {
    const found = byPlace.get(jail + directory) ?? [];
    if (found.length === 0) return "not in /etc/fstab";
    return found.map((line) => bootFault(line, directory)).find((fault) => fault !== undefined);
  };
}

/** The same of /etc/fstab. */
export const bootFaultOf = (jail: ByteString, directory: ByteString): string | undefined =>
  bootFaultsIn(fstabText())(jail, directory);

/** What is said of it, printable, and the command that heals. */
export function bootProblem(jail: ByteString, directory: ByteString, faultOf = bootFaultOf) {
  const fault = faultOf(jail, directory);
  if (fault === undefined) return undefined;
  const message = `${display(jail + directory)}: the next boot would not show the host's ${display(directory)} there as it should be: ${fault}`;
  return { message, remedy: bootRemedy(jail, directory) };
}

/** The directories of the host for which the text of fstab(5) has our lines, by the jails that these are in. Pure. */
export function directoriesByJail(fstab: ByteString): ReadonlyMap<ByteString, readonly ByteString[]> {
  const byJail = new Map<ByteString, ByteString[]>();
  for (const { jail, path } of fstab.split("\n").flatMap((line) => shownBy(line) ?? [])) {
    const known = byJail.getOrInsertComputed(jail, () => []);
    if (!known.includes(path)) known.push(path);
  }
  return byJail;
}

/** The directories of the host for which /etc/fstab has our lines in a jail. */
export const directoriesInFstab = (jail: ByteString): readonly ByteString[] =>
  directoriesByJail(fstabText()).get(jail) ?? [];

/** Removes the lines from /etc/fstab, all or those of the given directories. True if it was changed. */
export function removeLiveLines(
  jail: ByteString,
  { directories, registry = REGISTRY }: { directories?: readonly ByteString[]; registry?: ByteString } = {},
): boolean {
  const change = (fstab: ByteString) => withoutLiveLines(fstab, jail, directories);
  return withTree((etc) => changeFstab(etc, change, liveOutByHand(jail), registry), "/etc");
}
