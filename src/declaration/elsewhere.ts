import type { ByteString } from "../../ffi/bytes.ts";
import { isMissing } from "../../ffi/files.ts";
import { baseName, directoryOf, parentOf } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { operands } from "../cli/shell-word.ts";
import { CONFIG_DIRECTORY, isDropIn, mergeFiles } from "../config/load.ts";
import { scanIni } from "../config/scan.ts";
import type { ConfigSource } from "../config/source.ts";
import { readName } from "../config/unread.ts";
import { RootView } from "../libraries/root-view.ts";
import { asideCommand } from "../system/free-name.ts";
import { isHostDirectory } from "../system/host-files.ts";
import { below } from "../system/mountinfo.ts";
import { listed } from "./change.ts";
import { DECLARATION_FILE, DROP_INS } from "./known-file.ts";
import type { Declaration, DeclaredJail } from "./model.ts";
import { union } from "./once.ts";
import { declarationIn, readDeclarationSources } from "./read.ts";

const isDropIns = (path: ByteString) => baseName(path) === baseName(DROP_INS);

/** A configuration directory, and a place among its declarations. */
interface Written {
  readonly config: ByteString;
  /** The path with which a file is read; "" for their directory, and undefined for what `jailkit apply` does not read. */
  readonly file: ByteString | undefined;
}

/** What a path names, by whatever way; undefined if that is not among declarations. */
function writtenTo(path: ByteString): Written | undefined {
  const isFolder = isHostDirectory(path);
  using host = new RootView();
  const place = host.realPath(isFolder ? path : parentOf(path) || "/");
  if (place === undefined) return undefined;
  const name = isFolder ? "" : baseName(path);
  // The usual one may be a link to another name.
  for (const config of [CONFIG_DIRECTORY, directoryOf(place)]) {
    const dropIns = `${config}/${baseName(DROP_INS)}`;
    if (host.realPath(dropIns) !== place) continue;
    return { config, file: isFolder ? "" : isDropIn(name) ? `${dropIns}/${name}` : undefined };
  }
  const usual = host.realPath(DROP_INS);
  if (usual !== undefined && below(place, usual) !== undefined)
    return { config: CONFIG_DIRECTORY, file: undefined };
  const file = `${place}/jails.ini`;
  return name === baseName(file) ? { config: place, file } : undefined;
}

const outputError = (message: string, remedy?: Remedy) =>
  new JailkitError("output", 1, message, undefined, remedy);

/** What is missing where a directory is meant, and the command that creates it. */
function noFolder(path: ByteString): JailkitError {
  const make: Remedy = `mkdir -p -m 0755 ${operands(path)}`;
  if (isMissing(path))
    return outputError(`${display(path)}: no such directory; create it with: ${make}`, make);
  const why = "is not a directory; keep it under another name, and create one with";
  const remedy: Remedy = `${asideCommand(path)} && ${make}`;
  return outputError(`${display(path)} ${why}: ${remedy}`, remedy);
}

/**
 * Throws JailkitError for a place where a declaration would not be read, or would keep `jailkit apply` from reading others: in
 * the way of jails.d, or with another name in it than it reads. `asFolder`: the path was typed as that of a directory.
 */
export function requireReadThere(path: ByteString, asFolder: boolean): void {
  const written = writtenTo(path);
  if (written === undefined) {
    if ((asFolder || isDropIns(path)) && !isHostDirectory(path)) throw noFolder(path);
    return;
  }
  if (written.file !== undefined) return;
  const [folder, name] = [directoryOf(path), readName(baseName(path))];
  if (isHostDirectory(path) || writtenTo(folder)?.file !== "")
    throw outputError(
      `${display(path)}: 'jailkit apply' reads no directory in ${quoted(DROP_INS)}: name that`,
    );
  const other = name === undefined ? "" : `, such as ${quoted(`${folder}/${name}`)}`;
  const why = "the name must end with '.ini', and not begin with a dot";
  throw outputError(`${display(path)}: 'jailkit apply' would not read this: ${why}${other}`);
}

/** Whether a path is a place for declarations, and for nothing else, also while jails.d is missing. */
export const isForDeclarations = (path: ByteString): boolean =>
  isDropIns(path) || writtenTo(path) !== undefined;

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
  if (written?.file === undefined) return undefined;
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
  const lacking = declaration.jails.flatMap((jail) => {
    const there = beside.jails.find(({ path }) => path === jail.path);
    return (there && lackingIn(there, jail)) ?? [];
  });
  const rest = {
    ...declaration,
    jails: declaration.jails.filter(({ path }) => !jails.has(path)),
    users: declaration.users.filter(({ name }) => !users.has(name)),
  };
  return { rest, leftOut: [...leftOut, ...lacking] };
}

/** What a file does not say of what a jail has, as one that was written before the jail was adopted; undefined if that is nothing. */
function lackingIn(
  { path, place, sections, files }: DeclaredJail,
  has: Pick<DeclaredJail, "sections" | "files">,
): string | undefined {
  const keys = { sections: union(sections, has.sections), files: union(files, has.files) };
  const lines = [
    ...(keys.sections.length > sections.length ? [`sections = ${listed(keys.sections)}`] : []),
    ...(keys.files.length > files.length ? [`files = ${listed(keys.files)}`] : []),
  ];
  if (lines.length === 0) return undefined;
  return `jail ${quoted(path)}: ${quoted(place.file)} lacks what it has: write in its section: ${lines.join("; ")}`;
}
