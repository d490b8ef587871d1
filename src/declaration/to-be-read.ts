import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import type { IniSection, Place, Problem } from "../config/model.ts";
import type { ConfigSource } from "../config/source.ts";
import { isToBeRead, readAs } from "./known-file.ts";
import type { Declaration } from "./model.ts";
import { problemAt } from "./section.ts";

/** What other files declare beside those that are read. */
export type Beside = Pick<Declaration, "jails" | "users">;

/** The end of a message, with a place. */
export const placeIn = ({ line, file }: Place): string => `, in line ${line} of ${display(file)}`;

/** The problems of sections of a file that is to be read with others, which have them already. Pure. */
export function repeatedProblems(sections: readonly IniSection[], beside: Beside): Problem[] {
  const places = new Map<ByteString, Place>([
    ...beside.jails.map(({ path, place }) => [`jail ${path}`, place] as const),
    ...beside.users.map(({ name, place }) => [`user ${name}`, place] as const),
  ]);
  return sections.flatMap((section): Problem[] => {
    const place = isToBeRead(section.file) ? places.get(section.name) : undefined;
    const message = place && `section '${display(section.name)}' is there already${placeIn(place)}`;
    return message === undefined ? [] : [problemAt(section, "duplicate-section", message, { kind: "none" })];
  });
}

/** What stays of a declaration when files of jails.d that are not read yet are read in the place of those of their names. Pure. */
export function toBeReadWith(
  { jails, users }: Declaration,
  sources: readonly ConfigSource[],
): Beside | undefined {
  const files = sources.map(({ file }) => file);
  if (!files.some(isToBeRead)) return undefined;
  const replaced = new Set([...files, ...files.filter(isToBeRead).map(readAs)]);
  const stays = ({ place }: { place: Place }) => !replaced.has(place.file);
  return { jails: jails.filter(stays), users: users.filter(stays) };
}
