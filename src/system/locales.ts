import { type ByteString, fromCString } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_RDONLY } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { close, openIfPresent, readAt } from "../../ffi/files.ts";
import { hostNames } from "./host-files.ts";

const DIRECTORY = "/usr/lib/locale";
const ARCHIVE = "locale-archive";

// struct locarhead of glibc, of 32-bit words, and its table of names: hash, offset of the name, offset of the locale.
const MAGIC = 0xde020109;
const HEAD = 56;
const TABLE_AT = 8;
const TABLE_SIZE_AT = 16;
const ENTRY = 12;
const MOST_ENTRIES = 100_000;
const LONGEST_NAME = 64;

/** The names of the locales in a locale-archive of glibc; none if it is missing or has another form. */
export function archivedLocales(path: ByteString): ByteString[] {
  const fd = openIfPresent(AT_FDCWD, path, O_RDONLY);
  if (fd === undefined) return [];
  const read = (size: number, at: number) => {
    const buffer = Buffer.alloc(size);
    return buffer.subarray(0, readAt(fd, buffer, at));
  };
  try {
    const head = read(HEAD, 0);
    if (head.length < HEAD || head.readUInt32LE(0) !== MAGIC) return [];
    const size = Math.min(head.readUInt32LE(TABLE_SIZE_AT), MOST_ENTRIES);
    const table = read(size * ENTRY, head.readUInt32LE(TABLE_AT));
    const names: ByteString[] = [];
    for (let at = 0; at + ENTRY <= table.length; at += ENTRY)
      if (table.readUInt32LE(at + 8) !== 0)
        names.push(fromCString(read(LONGEST_NAME, table.readUInt32LE(at + 4))));
    return names;
  } finally {
    close(fd);
  }
}

/**
 * The names under which gettext(3) looks for translations in the language of a locale, the most special first: for
 * `sr_RS.utf8@latin` these are sr_RS@latin, sr@latin, sr_RS and sr. None for C, POSIX and names of another form. Pure.
 */
export function languagesOf(locale: ByteString): ByteString[] {
  const [, language, territory = "", modifier = ""] =
    /^([a-z]{2,3})(_[A-Z]{2})?(?:\.[\w-]+)?(@[a-z]+)?$/.exec(locale) ?? [];
  if (language === undefined) return [];
  const names = [language + territory + modifier, language + modifier, language + territory, language];
  return [...new Set(names)];
}

let known: readonly ByteString[] | undefined;

/** The languages of all locales that were generated on the host, as directories of /usr/share/locale are named; sorted. */
export function hostLanguages(): readonly ByteString[] {
  const found = () => [...hostNames(DIRECTORY), ...archivedLocales(`${DIRECTORY}/${ARCHIVE}`)];
  known ??= [...new Set((attempt(found) ?? []).flatMap(languagesOf))].sort();
  return known;
}
