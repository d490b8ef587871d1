import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { S_IFBLK, S_IFCHR, S_IFMT, S_IFREG } from "../../../ffi/constants.ts";
import { parentOf } from "../../../ffi/paths.ts";
import { type Dependency, isLibraryName } from "../../libraries/dependency.ts";
import type { PlanContext } from "./draft.ts";

/** The default directories of the dynamic linker of glibc. */
export const DEFAULT_DIRECTORY = /^(?:\/usr)?\/lib(?:32|64|x32)?(?:\/[a-z0-9_]+-linux-[a-z0-9]+)?$/;

/**
 * True for a file that is not copied from a directory in which users other than root choose the names: a device, or a
 * file that these users may not read, unless the administrator `named` it. They may read a file if everybody may, if it
 * belongs to the owner of the directory, or if its group may read it and may write the directory.
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

/** The dependencies of a program: copied with it, or not. */
interface SortedNeeds {
  readonly allowed: readonly Dependency[];
  readonly refused: readonly Dependency[];
}

/**
 * Sorts the dependencies of a program or library. All are copied if only root can change that file. Otherwise only public
 * libraries in the default directories are: no interpreter of a script, and none of its dependencies.
 */
export function sortNeeds(
  context: Pick<PlanContext, "host" | "trust">,
  needs: readonly Dependency[],
): SortedNeeds {
  const { trust } = context;
  const allowed: Dependency[] = [];
  const refused: Dependency[] = [];
  const scripts = new Set<ByteString>();
  for (const need of needs) {
    const { path, neededBy, kind } = need;
    if (scripts.has(neededBy) || (kind === "script" && trust.othersDecideContent(neededBy))) {
      scripts.add(path);
      refused.push(need);
    } else if (!trust.othersDecideContent(neededBy) || isPublicLibrary(context, path)) allowed.push(need);
    else refused.push(need);
  }
  return { allowed, refused };
}

/** True for a library in a default directory that everybody may read and only root can change. */
function isPublicLibrary({ host, trust }: Pick<PlanContext, "host" | "trust">, path: ByteString): boolean {
  if (!DEFAULT_DIRECTORY.test(parentOf(path)) || !isLibraryName(path)) return false;
  const stat = host.stat(path);
  if (stat === undefined || (stat.mode & S_IFMT) !== S_IFREG || (stat.mode & 0o004) === 0) return false;
  return !trust.othersDecideContent(path);
}
