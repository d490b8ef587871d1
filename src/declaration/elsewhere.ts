import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { baseName, directoryOf, parentOf } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import {
  CONFIG_DIRECTORY,
  type ConfigSource,
  dropInDirectory,
  isDropIn,
  mergeFiles,
} from "../config/load.ts";
import { scanIni } from "../config/scan.ts";
import { isDirectory } from "../jail/fs/walk.ts";
import { RootView } from "../libraries/root-view.ts";
import type { Declaration } from "./model.ts";
import { DECLARATION_FILE, declarationIn, readDeclarationSources } from "./read.ts";

/** A configuration directory, and a file of its declarations by the path with which it is read; "" for their directory. */
interface Written {
  readonly config: ByteString;
  readonly file: ByteString;
}

/** What a path names, by whatever way; undefined if `jailkit apply` reads nothing there. */
function writtenTo(path: ByteString): Written | undefined {
  const stat = statIfPresent(AT_FDCWD, path, true);
  const isFolder = stat !== undefined && isDirectory(stat);
  using host = new RootView();
  const folder = isFolder ? path : parentOf(path) || "/";
  const place = host.realPath(folder);
  if (place === undefined) return undefined;
  const name = isFolder ? "" : baseName(path);
  // The usual one may be a link to another name.
  for (const config of [CONFIG_DIRECTORY, directoryOf(place)]) {
    const dropIns = dropInDirectory(`${config}/jails.ini`) ?? "";
    if (host.realPath(dropIns) !== place) continue;
    if (isFolder || isDropIn(name)) return { config, file: isFolder ? "" : `${dropIns}/${name}` };
  }
  const file = `${place}/jails.ini`;
  return name === baseName(file) ? { config: place, file } : undefined;
}

/**
 * What `jailkit apply` reads together with a file or directory to write to, whose own text counts unless that is replaced
 * (`replaces`): what is declared twice is an error. Undefined for a path that is none of theirs. As far as they can be
 * understood; throws JailkitError if one cannot be read.
 */
export function declaredBeside(
  path: ByteString,
  replaces: boolean,
): Pick<Declaration, "jails" | "users"> | undefined {
  const written = writtenTo(path);
  if (written === undefined) return undefined;
  const isOther = ({ file }: ConfigSource) => !(replaces && file === written.file);
  const parts = readDeclarationSources(written.config)
    .filter(isOther)
    .map(({ bytes, file }) => scanIni(bytes, file, "plain"));
  return declarationIn(mergeFiles(parts, DECLARATION_FILE, "plain")).declaration;
}

/** A declaration without the jails and users that another one has, and a printable line for each file that has some. Pure. */
export function withoutDeclared<T extends Pick<Declaration, "jails" | "users">>(
  declaration: T,
  beside: Pick<Declaration, "jails" | "users"> = { jails: [], users: [] },
): { rest: T; leftOut: string[] } {
  const jails = new Map(beside.jails.map(({ path, place }) => [path, place.file]));
  const users = new Map(beside.users.map(({ name, place }) => [name, place.file]));
  const there = {
    jails: declaration.jails.flatMap(({ path }) => jails.get(path) ?? []),
    users: declaration.users.flatMap(({ name }) => users.get(name) ?? []),
  };
  const leftOut = [...new Set([...there.jails, ...there.users])].map((file) => {
    const counts = (["jails", "users"] as const).flatMap((what) => {
      const count = there[what].filter((one) => one === file).length;
      return count === 0 ? [] : [count === 1 ? `1 ${what.slice(0, -1)}` : `${count} ${what}`];
    });
    return `left out: ${counts.join(" and ")} that ${quoted(file)} declares already`;
  });
  const rest = {
    ...declaration,
    jails: declaration.jails.filter(({ path }) => !jails.has(path)),
    users: declaration.users.filter(({ name }) => !users.has(name)),
  };
  return { rest, leftOut };
}
