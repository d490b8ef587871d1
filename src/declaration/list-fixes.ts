import type { ByteString } from "../../ffi/bytes.ts";
import { isEmptyDirectory, openDirectoryPath, readFileIfPresent, withFd } from "../../ffi/files.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { type Advice, inWords } from "../cli/remedy.ts";
import { suggest } from "../cli/suggest.ts";
import { fixText, itemChanges, linesOf } from "../config/fixes.ts";
import { type Fix, LIMITS, type Problem } from "../config/model.ts";
import { isListItem } from "../config/text.ts";
import type { ListItem } from "../config/values.ts";
import { isLibraryName } from "../libraries/dependency.ts";

/**
 * What to do about sections of a list that do not exist: the one that was meant takes the place of each, or none. Without any section
 * left, --prune would empty the jail: then there is nothing to write.
 */
export function meantSections(
  all: readonly ListItem[],
  known: readonly ByteString[],
): (item: ListItem) => Fix {
  const meant = known.filter(isListItem);
  const leaves = all.some(({ value }) => known.includes(value) || suggest(value, meant) !== undefined);
  return ({ value }) =>
    leaves ? { kind: "item", old: value, with: suggest(value, meant) } : { kind: "none" };
}

/** Of a long list, the line is not written again. */
export const takenOut = ({ value, file, line }: ListItem): Fix =>
  isLibraryName(value)
    ? {
        kind: "command",
        text: inWords(`take ${quoted(value)} out of 'files' in line ${line} of ${display(file)}`),
      }
    : { kind: "item", old: value };

/**
 * What to do about files of a list that this machine lacks, and what a message says besides. They may be lost for a while, as with a
 * disk that is not mounted, where nothing of the list is there, or nothing in the directory. Then there is nothing to write, after which
 * --prune would take them out of the jail.
 */
export function lackedFiles(
  all: readonly ListItem[],
  isThere: (value: ByteString) => boolean,
  isBare: (directory: ByteString) => boolean,
): (item: ListItem) => { readonly fix: Fix; readonly ways: string } {
  const leaves = all.some(({ value }) => answered(() => isThere(value)) === true);
  const isLost = (value: ByteString) => !leaves || (value.includes("/") && isBare(directoryOf(value)));
  return (item) =>
    isLost(item.value)
      ? { fix: { kind: "none" }, ways: lostWays("files") }
      : { fix: takenOut(item), ways: "" };
}

/** What can be done about items of a list that may be lost for a while. */
export const lostWays = (key: "files" | "live") =>
  `; bring it back, as by a mount, or take it out of '${key}': then --prune takes it out of the jail, too`;

/** True for a directory that is missing, or has nothing in it, such as the place of a mount. */
export const isBareHere = (path: ByteString): boolean =>
  answered(() => withFd(openDirectoryPath(path), isEmptyDirectory)) !== false;

/**
 * What to type for items of a list of a declaration, in the words of `jailkit config check`. Undefined if that is not one thing,
 * or the file is not the one any more that was read.
 */
export function remedyOfItems(
  items: readonly ListItem[],
  fixOf: (item: ListItem) => Fix,
): Advice | undefined {
  const problems = items.map((item): Problem => {
    const { file, line, column } = item;
    return { file, line, column, severity: "error", code: "no-such-path", message: "", fix: fixOf(item) };
  });
  const texts = [...new Set(items.map(({ file }) => file))].flatMap((file) => {
    const bytes = answered(() => readFileIfPresent(file, LIMITS.plainFileBytes));
    return bytes === undefined ? [] : [{ file, bytes }];
  });
  const sources = { texts, dialect: "plain", items: itemChanges(problems) } as const;
  const isSame = ({ file, line, column, value }: ListItem) =>
    linesOf(sources, file)[line - 1]?.startsWith(value, column - 1) === true;
  const remedies = new Set(items.every(isSame) ? problems.map((one) => fixText(one, sources)) : []);
  const [only] = remedies;
  return remedies.size === 1 ? only : undefined;
}
