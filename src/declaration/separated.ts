import type { ByteString } from "../../ffi/bytes.ts";
import { answered } from "../cli/error.ts";
import { loadConfig } from "../config/load.ts";
import type { Problem } from "../config/model.ts";
import { isListItem } from "../config/text.ts";
import { fileSystemAt } from "../populate/file-system.ts";
import { searchPath } from "../profile/search.ts";
import { hostGroup } from "../system/name-services.ts";
import { SECTIONS_FILE } from "../transfer/sections.ts";
import type { Declaration, DeclaredPlace } from "./model.ts";
import { itemsOf, separatorProblems } from "./section.ts";

/** Whether this machine has what an item names; undefined if that is not known. Names of all of these may have blanks in them. */
const HAS: Readonly<Record<"sections" | "files" | "groups", (item: ByteString) => boolean | undefined>> = {
  sections: (item) =>
    loadConfig(SECTIONS_FILE, { dialect: "py" })?.sections.some(({ name }) => name === item),
  files: (item) =>
    (item.includes("/") ? fileSystemAt().lstat(item) : searchPath(fileSystemAt(), item)) !== undefined,
  groups: (item) => hostGroup(item) !== undefined,
};

/**
 * The problems of items of lists that are several, or in quotes, and that this machine has not under such a name. What a list
 * lacks by that must not be taken away.
 */
export function unseparated({ jails, users }: Pick<Declaration, "jails" | "users">): Problem[] {
  const of = (key: keyof typeof HAS, items: readonly ByteString[], { section }: DeclaredPlace): Problem[] => {
    // Nearly none: of thousands of users, the places of their groups are not looked for.
    if (section === undefined || !items.some((item) => /[\t ;:"']/.test(item))) return [];
    const isOne = (item: ByteString) => answered(() => HAS[key](item)) !== false;
    // A comment after an item is a problem of its own.
    const own = itemsOf(section, key).filter(({ value }) => isListItem(value));
    return own.flatMap((item) => separatorProblems(item, isOne));
  };
  return [
    ...jails.flatMap(({ sections, files, place }) => [
      ...of("sections", sections, place),
      ...of("files", files, place),
    ]),
    ...users.flatMap(({ groups, place }) => of("groups", groups, place)),
  ];
}
