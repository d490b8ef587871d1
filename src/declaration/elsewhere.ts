import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { type Stat, sameFile, statIfPresent } from "../../ffi/files.ts";
import { baseName, parentOf } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { CONFIG_DIRECTORY, dropInDirectory, isDropIn, mergeFiles } from "../config/load.ts";
import { scanIni } from "../config/scan.ts";
import { isDirectory } from "../jail/fs/walk.ts";
import type { Declaration } from "./model.ts";
import { DECLARATION_FILE, declarationIn, readDeclarationSources } from "./read.ts";

const DROP_INS = dropInDirectory(DECLARATION_FILE) ?? "";

const statOf = (path: ByteString) => statIfPresent(AT_FDCWD, path, true);
const isSame = (stat: Stat | undefined, other: Stat | undefined) =>
  stat !== undefined && other !== undefined && sameFile(stat, other);

/** The usual file that a path names, by whatever way; "" for their directory, undefined for anything else. */
function usualFile(path: ByteString): ByteString | undefined {
  const [stat, place] = [statOf(path), statOf(DROP_INS)];
  if (stat !== undefined && isDirectory(stat)) return isSame(stat, place) ? "" : undefined;
  const name = baseName(path);
  const above = statOf(parentOf(path) || "/");
  if (isDropIn(name) && isSame(above, place)) return `${DROP_INS}/${name}`;
  return name === baseName(DECLARATION_FILE) && isSame(above, statOf(CONFIG_DIRECTORY))
    ? DECLARATION_FILE
    : undefined;
}

/**
 * What the usual files declare beside a file or directory to write to, whose own text counts unless it `replaces` that:
 * `jailkit apply` refuses what is declared twice. Undefined for a path that is none of theirs. As far as they can be
 * understood; throws JailkitError if one cannot be read.
 */
export function declaredBeside(
  path: ByteString,
  replaces: boolean,
): Pick<Declaration, "jails" | "users"> | undefined {
  const written = usualFile(path);
  if (written === undefined) return undefined;
  const others = readDeclarationSources().filter(({ file }) => !(replaces && file === written));
  const parts = others.map(({ bytes, file }) => scanIni(bytes, file, "plain"));
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
