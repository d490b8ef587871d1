import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { S_IFBLK, S_IFCHR, S_IFMT, S_IFREG } from "../../../ffi/constants.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import type { Dependency } from "../entry.ts";
import type { FileSystem } from "../file-system.ts";
import { type Ground, othersDecideContent } from "./ground.ts";

/** Where the dynamic linker of glibc looks without being told. */
export const DEFAULT_DIRECTORY = /^(?:\/usr)?\/lib(?:32|64|x32)?(?:\/[a-z0-9_]+-linux-[a-z0-9]+)?$/;
export const LIBRARY = /\.so(?:\.|$)/;

/**
 * What is not taken out of a directory in which others than root decide what stands there: devices, and, unless the
 * administrator `named` it, a file that they may have a name of and may not read. That is what neither everybody may
 * read, nor belongs to the owner of the directory, nor is its group's to read where the group may write there.
 */
export function leftThere(
  directory: BasicStat | undefined,
  stat: BasicStat,
  named: boolean,
): "device" | "private" | undefined {
  const type = stat.mode & S_IFMT;
  if (type === S_IFCHR || type === S_IFBLK) return "device";
  if (named || type !== S_IFREG || (stat.mode & 0o004) !== 0) return undefined;
  if (directory === undefined) return "private";
  if (stat.uid !== 0 && stat.uid === directory.uid) return undefined;
  const group = stat.gid !== 0 && stat.gid === directory.gid && (directory.mode & 0o020) !== 0;
  return group && (stat.mode & 0o040) !== 0 ? undefined : "private";
}

/** What a program needs, by what may come along. */
export interface Needs {
  readonly allowed: readonly Dependency[];
  readonly refused: readonly Dependency[];
}

/**
 * Sorts what a program or library needs, directly and through others. What a file of root's alone names comes along. Of
 * what a file names that others can change come the libraries, with the dynamic linker, which stand where that looks by
 * default, are root's alone and may be read by everybody: no interpreter, and nothing that such an interpreter needs.
 */
export function sortNeeds(
  host: FileSystem,
  grounds: (directory: ByteString) => Ground,
  needs: readonly Dependency[],
): Needs {
  const allowed: Dependency[] = [];
  const refused: Dependency[] = [];
  const scripts = new Set<ByteString>();
  const byOthers = (path: ByteString) => othersDecideContent(grounds, path);
  for (const need of needs) {
    const { path, neededBy, kind } = need;
    if (scripts.has(neededBy) || (kind === "script" && byOthers(neededBy))) {
      scripts.add(path);
      refused.push(need);
    } else if (!byOthers(neededBy) || isPublicLibrary(host, grounds, path)) allowed.push(need);
    else refused.push(need);
  }
  return { allowed, refused };
}

function isPublicLibrary(
  host: FileSystem,
  grounds: (directory: ByteString) => Ground,
  path: ByteString,
): boolean {
  if (!DEFAULT_DIRECTORY.test(parentOf(path)) || !LIBRARY.test(baseName(path))) return false;
  const stat = host.stat(path);
  if (stat === undefined || (stat.mode & S_IFMT) !== S_IFREG || (stat.mode & 0o004) === 0) return false;
  return !othersDecideContent(grounds, path);
}
