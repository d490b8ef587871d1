import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { CONFIG_DIRECTORY, isDropIn } from "../config/load.ts";
import { largestFile } from "../config/model.ts";
import { scanIni } from "../config/scan.ts";
import { kindOf } from "../config/schemas/catalogue.ts";
import { readJailFile } from "../jail/fs/look.ts";
import { openTree } from "../jail/fs/walk.ts";
import { LARGEST_FSTAB } from "../populate/apply/proc.ts";
import { hostNames } from "../system/host-files.ts";
import { fstabField } from "../system/mounts.ts";

const FSTAB = "/etc/fstab";

/** A file that names a jail by its old path, and its new text. */
export interface NamingFile {
  readonly path: ByteString;
  readonly text: ByteString;
}

/** The bytes of the largest file of that path that is read. */
export const largestOf = (path: ByteString): number =>
  path === FSTAB
    ? LARGEST_FSTAB
    : largestFile(path.startsWith(`${CONFIG_DIRECTORY}/jails.d/`) ? "plain" : "c");

/** Replaces the old path of a jail in a text by the new one, also before a slash. */
function withNewPath(text: ByteString, from: ByteString, to: ByteString): ByteString {
  let out = "";
  let at = 0;
  for (let hit = text.indexOf(from); hit >= 0; hit = text.indexOf(from, at)) {
    const end = hit + from.length;
    // At an end of the text, charAt is empty.
    const whole = " \t\n\r,=:[".includes(text.charAt(hit - 1)) && " \t\n\r,/]".includes(text.charAt(end));
    out += text.slice(at, hit) + (whole ? to : from);
    at = end;
  }
  return out + text.slice(at);
}

/**
 * The keys with paths of the host, in files that have others with paths as users of jails see them, which no move of another
 * jail changes, and with text.
 */
const HOST_KEYS: Readonly<Record<string, readonly ByteString[]>> = {
  jails: ["files", "jail", "live"],
  jk_chrootsh: [],
  jk_init: [
    ...["devices", "directories", "executables", "libraries"],
    ...["paths", "paths_w_owner", "paths_w_setuid", "regularfiles"],
  ],
  jk_uchroot: ["allowed_jails"],
  jk_update: [],
};

/** The text of an ini file with the new path of a jail, but in values that are no paths of the host. */
function iniWithNewPath(file: ByteString, bytes: Uint8Array, from: ByteString, to: ByteString): ByteString {
  const kind = kindOf(file);
  const hostKeys = kind && HOST_KEYS[kind.name];
  const kept = new Set<number>();
  if (kind !== undefined && hostKeys !== undefined) {
    const { sections, defaults } = scanIni(bytes, file, kind.dialect);
    for (const { key, line, pieces } of [...sections, ...defaults].flatMap(({ entries }) => entries))
      for (let at = line; !hostKeys.includes(key) && at <= (pieces?.at(-1)?.line ?? line); at++) kept.add(at);
  }
  const lines = fromBytes(bytes).split("\n");
  return lines.map((line, index) => (kept.has(index + 1) ? line : withNewPath(line, from, to))).join("\n");
}

/** What a file says. Its comments follow the jail, too, but one that has the path in comments alone, as an example, stays. */
const withoutComments = (text: ByteString): ByteString =>
  text
    .split("\n")
    .filter((line) => !/^[\t-\r ]*[#;]/.test(line))
    .join("\n");

/**
 * The configuration files, with those of jails.d and fstab(5), that name a jail by its old path, with their new text. Throws
 * SystemError, and JailkitError for one that cannot be read.
 */
export function filesThatName(from: ByteString, to: ByteString): readonly NamingFile[] {
  using tree = openTree("/");
  return [...iniFiles(CONFIG_DIRECTORY), FSTAB].flatMap((path) => {
    const bytes = readJailFile(tree, path, largestOf(path));
    if (bytes === undefined) return [];
    const before = fromBytes(bytes);
    // A tool may have added lines of fstab(5) for the new place before this.
    const text =
      path === FSTAB
        ? withoutDoubles(before, withNewPath(before, fstabField(from), fstabField(to)))
        : iniWithNewPath(path, bytes, from, to);
    return withoutComments(text) === withoutComments(before) ? [] : [{ path, text }];
  });
}

/** The text with its new lines that it had before, too, once each. */
function withoutDoubles(before: ByteString, changed: ByteString): ByteString {
  const old = before.split("\n");
  const there = new Set(old);
  return changed
    .split("\n")
    .filter((line, index) => line === old[index] || !there.has(line))
    .join("\n");
}

function iniFiles(directory: ByteString): ByteString[] {
  return hostNames(directory).flatMap((name) => {
    if (isDropIn(name)) return [`${directory}/${name}`];
    return /^(?:jk_\w+|jails)\.d$/.test(name) ? iniFiles(`${directory}/${name}`) : [];
  });
}
