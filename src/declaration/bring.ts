import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { baseName } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import { type Advice, inWords, type Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { readKeys } from "../config/keys.ts";
import { findEntry } from "../config/model.ts";
import { lshKeys } from "../config/schemas/lsh.ts";
import type { ListItem } from "../config/values.ts";
import { isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { serviceOf, wordFiles } from "../known-programs/allow/table.ts";
import { SERVICES, type Service } from "../known-programs/services.ts";
import type { DeclaredJail, DeclaredUser } from "./model.ts";
import { itemsOf } from "./section.ts";

/** A word of the key `allow`, with the programs of it that are missing. */
interface LackingWord {
  readonly item: ListItem;
  readonly service: Service;
  readonly programs: readonly ByteString[];
}

/** The words of a declared user whose programs `isFile` does not find in the jail. */
export function lackingWords(
  { shell, policy = [], place: { section } }: DeclaredUser,
  isFile: (path: ByteString) => boolean,
): LackingWord[] {
  if (section === undefined || !isLimitedShell(shell)) return [];
  const { allow = [], paths } = readKeys({ ...section, entries: [...policy] }, lshKeys);
  const items = itemsOf(section, "allow");
  return allow.flatMap((name, index) => {
    const { missing: programs } = wordFiles(name, paths, isFile);
    const item = items[index];
    return item === undefined || programs.length === 0 ? [] : [{ item, service: serviceOf(name), programs }];
  });
}

/** What a jail is to get: a section of jk_init.ini, or an operand of jk_cp, which is in one of these places of the host. */
interface Wanted {
  readonly key: "sections" | "files";
  readonly item: ByteString;
  readonly places: readonly ByteString[];
}

/** The same of a program of a service. */
export function wantedFor(
  { section, directories, needs }: Service,
  program: ByteString = needs[0] ?? "",
): Wanted {
  const places = directories.map((directory) => `${directory}/${program}`);
  return section === undefined
    ? { key: "files", item: program, places }
    : { key: "sections", item: section, places };
}

/**
 * How a declared jail gets something, in one line. What is brought by hand instead, no other machine with the same declaration
 * gets.
 */
export function bringAdvice(jail: DeclaredJail, { key, item, places }: Wanted): Advice {
  const { path, place } = jail;
  const isHere = places.some((one) => statIfPresent(AT_FDCWD, one, true) !== undefined);
  const install = isHere ? "" : `install ${display(baseName(places[0] ?? item))} on this machine; `;
  if (jail[key].includes(item)) {
    const update: Remedy = `jk_update -j ${shellWord(path)}`;
    return isHere ? update : inWords(`${install}type: ${update}`);
  }
  const entry = findEntry(place.section, key);
  const at = (line: number) => `line ${line} of ${display(place.file)}`;
  const edit =
    entry === undefined
      ? `write '${key} = ${display(item)}' below [jail ${display(path)}], ${at(place.line)}`
      : `add ${quoted(item)} to ${quoted(key)}, ${at(entry.line)}`;
  return inWords(`${install}${edit}, and type: jailkit apply`);
}

/** What to do instead of a command of ours that brings one section or file into a declared jail; undefined for another text. */
export function adviceInstead(
  command: ByteString,
  jails: ReadonlyMap<ByteString, DeclaredJail> | undefined,
): Advice | undefined {
  for (const jail of jails?.values() ?? []) {
    for (const tool of ["jk_init", "jk_cp"]) {
      const start = `${tool} -j ${shellWord(jail.path)} `;
      const word = command.slice(start.length);
      // One with several words, or with a word in quotes, stays as it is.
      if (!command.startsWith(start) || word === "" || operands(word) !== word) continue;
      const isOf = (one: Service) =>
        tool === "jk_init" ? one.section === word : one.program.names.includes(baseName(word));
      const service = SERVICES.find(isOf);
      if (service !== undefined) return bringAdvice(jail, wantedFor(service));
      if (tool === "jk_cp") return bringAdvice(jail, { key: "files", item: word, places: [word] });
    }
  }
  return undefined;
}
