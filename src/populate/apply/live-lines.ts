import type { ByteString } from "../../../ffi/bytes.ts";
import { plainPath } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { withTree } from "../../jail/fs/look.ts";
import { isSocketDirectory } from "../../jail/fs/socket-directory.ts";
import { REGISTRY } from "../../jail/record/manifest.ts";
import { hostText } from "../../system/host-files.ts";
import { unescaped } from "../../system/mountinfo.ts";
import { fstabField, fstabFields, fstabPlace } from "../../system/mounts.ts";
import { changedFstab, changeFstab, LARGEST_FSTAB } from "./proc.ts";

const ALLOWED = /^\/(?:usr|usr\/local|opt|opt\/[^/]+)$/;
/** Directories that come with /usr; on a host with a merged /usr these are symbolic links. */
export const BESIDE = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
const MARK = "x-jailkit";
const OPTIONS = `bind,ro,nosuid,nodev,private,nofail,${MARK}`;
// Directories in /run are created at each boot, at the latest by the service itself.
const SOCKET_OPTIONS = `bind,ro,nosuid,nodev,noexec,private,nofail,${MARK},x-systemd.after=systemd-tmpfiles-setup.service`;

/** Whether --live takes a path. Pure. */
export const canBeLive = (path: ByteString): boolean => ALLOWED.test(path) && !/\/\.\.?$/.test(path);

const lineOf = (jail: ByteString, path: ByteString) =>
  `${fstabField(path)} ${fstabField(jail + path)} none ${isSocketDirectory(path) ? SOCKET_OPTIONS : OPTIONS} 0 0`;

/** True for a line that mounts the host's directory without a restriction: ours, with changed options, or another one. */
function isUnrestricted(line: string, path: ByteString): boolean {
  const [from = "", , , fourth = ""] = fstabFields(line);
  const options = fourth.split(",");
  const needed = ["bind", "ro", "nosuid", "nodev", ...(isSocketDirectory(path) ? ["noexec"] : [])];
  const undone = ["rw", "suid", "dev"].some((option) => options.includes(option));
  const isBind = options.includes(MARK) || plainPath(unescaped(from)) === path;
  return isBind && (undone || !needed.every((option) => options.includes(option)));
}

/**
 * The text of fstab(5) with a line for each directory of the host in a jail; undefined if it has them already. A line for
 * it that lacks a restriction is replaced.
 */
export function withLiveLines(
  fstab: ByteString,
  jail: ByteString,
  directories: readonly ByteString[],
): ByteString | undefined {
  const there = new Set<ByteString>();
  const kept = fstab.split("\n").map((line) => {
    const where = fstabPlace(line);
    const path = directories.find((one) => jail + one === where);
    if (path === undefined) return line;
    there.add(path);
    return isUnrestricted(line, path) ? lineOf(jail, path) : line;
  });
  const text = kept.join("\n");
  const lines = directories.filter((path) => !there.has(path)).map((path) => `${lineOf(jail, path)}\n`);
  if (lines.length === 0) return text === fstab ? undefined : text;
  return `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${lines.join("")}`;
}

const isOurs = (line: ByteString) => (fstabFields(line)[3] ?? "").split(",").includes(MARK);

/**
 * The text of fstab(5) without our lines for directories of the host in a jail, all or the given ones; undefined if there
 * are none.
 */
export function withoutLiveLines(
  fstab: ByteString,
  jail: ByteString,
  directories?: readonly ByteString[],
): ByteString | undefined {
  const lines = fstab.split("\n");
  const places = directories?.map((path) => jail + path);
  const kept = lines.filter((line) => {
    const where = fstabPlace(line) ?? "/";
    return !(isOurs(line) && (places?.includes(where) ?? where.startsWith(`${jail}/`)));
  });
  return kept.length === lines.length ? undefined : kept.join("\n");
}

const liveByHand = (jail: ByteString) => `add the lines for ${display(jail)} by hand`;
const liveOutByHand = (jail: ByteString) => `take the lines for ${display(jail)} out by hand`;

/** Adds the lines to /etc/fstab. True if it was changed. */
export function addLiveLines(jail: ByteString, directories: readonly ByteString[]): boolean {
  const change = (fstab: ByteString) => withLiveLines(fstab, jail, directories);
  return withTree((etc) => changeFstab(etc, change, liveByHand(jail)), "/etc");
}

/** Throws the JailkitError with which addLiveLines, or removeLiveLines, would fail. */
export function requireLiveLines(
  jail: ByteString,
  { add, remove }: Readonly<Record<"add" | "remove", readonly ByteString[]>>,
): void {
  withTree((etc) => {
    changedFstab(etc, (fstab) => withLiveLines(fstab, jail, add), liveByHand(jail));
    changedFstab(etc, (fstab) => withoutLiveLines(fstab, jail, remove), liveOutByHand(jail));
  }, "/etc");
}

/** Tells whether the text of fstab(5) has a line for a directory of the host in a jail, which lacks no restriction. Pure. */
export function liveLinesIn(fstab: ByteString): (jail: ByteString, directory: ByteString) => boolean {
  const byPlace = Map.groupBy(fstab.split("\n"), fstabPlace);
  return (jail, directory) => {
    const found = byPlace.get(jail + directory) ?? [];
    return found.length > 0 && !found.some((line) => isUnrestricted(line, directory));
  };
}

/** True if /etc/fstab has the lines. */
export function hasLiveLines(jail: ByteString, directories: readonly ByteString[]): boolean {
  const has = liveLinesIn(hostText("/etc/fstab", LARGEST_FSTAB) ?? "");
  return directories.every((directory) => has(jail, directory));
}

/** The directories of the host for which the text of fstab(5) has our lines, by the jails that these are in. Pure. */
export function directoriesByJail(fstab: ByteString): ReadonlyMap<ByteString, readonly ByteString[]> {
  const byJail = new Map<ByteString, ByteString[]>();
  for (const line of fstab.split("\n")) {
    const where = isOurs(line) ? fstabPlace(line) : undefined;
    if (where === undefined) continue;
    const path = plainPath(unescaped(fstabFields(line)[0] ?? ""));
    const known = canBeLive(path) || BESIDE.includes(path) || isSocketDirectory(path);
    if (known && where.endsWith(path))
      byJail.getOrInsertComputed(where.slice(0, -path.length), () => []).push(path);
  }
  return byJail;
}

/** The directories of the host for which /etc/fstab has our lines in a jail. */
export const directoriesInFstab = (jail: ByteString): readonly ByteString[] =>
  directoriesByJail(hostText("/etc/fstab", LARGEST_FSTAB) ?? "").get(jail) ?? [];

/** Removes the lines from /etc/fstab, all or those of the given directories. True if it was changed. */
export function removeLiveLines(
  jail: ByteString,
  { directories, registry = REGISTRY }: { directories?: readonly ByteString[]; registry?: ByteString } = {},
): boolean {
  const change = (fstab: ByteString) => withoutLiveLines(fstab, jail, directories);
  return withTree((etc) => changeFstab(etc, change, liveOutByHand(jail), registry), "/etc");
}
