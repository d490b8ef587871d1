import type { ByteString } from "../../../ffi/bytes.ts";
import { plainPath } from "../../../ffi/paths.ts";
import { unescaped } from "../../../ffi/served.ts";
import { quoted } from "../../cli/display.ts";
import { isSocketDirectory } from "../../jail/fs/socket-directory.ts";
import { fstabField, fstabFields, fstabPlace, isByHand } from "../../system/mounts.ts";

const ALLOWED = /^\/(?:usr|usr\/local|opt|opt\/[^/]+)$/;
/** Directories that come with /usr; on a host with a merged /usr these are symbolic links. */
export const BESIDE = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
const MARK = "x-jailkit";
const OPTIONS = `bind,ro,nosuid,nodev,private,nofail,${MARK}`;
// Directories in /run are created at each boot, at the latest by the service itself.
const SOCKET_OPTIONS = `bind,ro,nosuid,nodev,noexec,private,nofail,${MARK},x-systemd.after=systemd-tmpfiles-setup.service`;
// Others are not mounted at all, or by a program of their own.
const TYPES: readonly ByteString[] = ["none", "bind", "auto"];
// Each of them ends a restriction, mounts something else, or lets users mount and unmount (mount(8)).
const WRONG =
  /^(?:rw|suid|dev|rbind|move|remount|users?|owner|group|[xX]-mount\.(?!mkdir|nocanonicalize).*)$/;
// When and how it is mounted is the administrator's to say, and so are more restrictions.
const CHOICES = /^(?:[xX]-.+|comment=.*|_netdev|noexec|nosymfollow|(?:no|rel|nodir|lazy)a?time)$/;

/** Whether --live takes a path. Pure. */
export const canBeLive = (path: ByteString): boolean => ALLOWED.test(path) && !/\/\.\.?$/.test(path);

/** True for a directory of the host that our lines show in jails. */
const isShown = (path: ByteString) => canBeLive(path) || BESIDE.includes(path) || isSocketDirectory(path);

const optionsOf = (line: ByteString) => (fstabFields(line)[3] ?? "").split(",");
const sourceOf = (line: ByteString) => plainPath(unescaped(fstabFields(line)[0] ?? ""));

/** True for a line of fstab(5) with the mark of jailkit. */
export const isOurs = (line: ByteString): boolean => optionsOf(line).includes(MARK);

/** True for a line that is ours, or that shows the same as ours would: it may be changed, and goes with the directory. */
export const isOfDirectory = (line: ByteString, path: ByteString): boolean =>
  isOurs(line) || sourceOf(line) === path;

/**
 * Why a line of fstab(5) for the place of a directory of the host does not show it there at each boot, with all
 * restrictions; undefined if it does. Pure.
 */
export function bootFault(line: ByteString, path: ByteString): string | undefined {
  const options = optionsOf(line);
  const has = (option: ByteString) => options.includes(option);
  const sockets = isSocketDirectory(path);
  const needed = ["bind", "ro", "nosuid", "nodev", ...(sockets ? ["noexec"] : [])];
  if (sourceOf(line) !== path || !TYPES.includes(fstabFields(line)[2] ?? ""))
    return "/etc/fstab mounts something else there";
  if (isByHand(options)) return "its line in /etc/fstab has 'noauto', so that no boot mounts it";
  const missing = needed.find((option) => !has(option));
  if (missing !== undefined) return `its line in /etc/fstab lacks '${missing}'`;
  const wrong = options.find((option) => WRONG.test(option) || (sockets && option === "exec"));
  return wrong === undefined ? undefined : `its line in /etc/fstab has ${quoted(wrong)}`;
}

/** True if there is no such reason. Pure. */
export const showsAtBoot = (line: ByteString, path: ByteString): boolean =>
  bootFault(line, path) === undefined;

/** The line of fstab(5) for a directory of the host in a jail; `instead` of one whose other options stay. */
export function lineOf(jail: ByteString, path: ByteString, instead: ByteString = ""): ByteString {
  const ours = isSocketDirectory(path) ? SOCKET_OPTIONS : OPTIONS;
  const names = ours.split(",");
  const isKept = (option: ByteString) =>
    CHOICES.test(option) && !WRONG.test(option) && !names.includes(option);
  const options = [ours, ...new Set(optionsOf(instead).filter(isKept))].join(",");
  return `${fstabField(path)} ${fstabField(jail + path)} none ${options} 0 0`;
}

/**
 * The jail of a line of ours, and the directory of the host that it shows there; undefined for all other lines. A jail may
 * be in another one: what the line shows tells them apart, or its place, if somebody has changed that.
 */
export function shownBy(line: ByteString): { jail: ByteString; path: ByteString } | undefined {
  const where = isOurs(line) ? fstabPlace(line) : undefined;
  if (where === undefined) return undefined;
  const source = sourceOf(line);
  const split = (path: ByteString) => ({ jail: where.slice(0, -path.length), path });
  if (isShown(source) && where.endsWith(source)) return where === source ? undefined : split(source);
  for (let at = where.lastIndexOf("/"); at > 0; at = where.lastIndexOf("/", at - 1))
    if (isShown(where.slice(at))) return split(where.slice(at));
  return undefined;
}
