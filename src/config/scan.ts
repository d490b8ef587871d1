import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { type Dialect, type IniFile, type IniSection, largestFile, problemList } from "./model.ts";
import { scanC } from "./scan-c.ts";
import { scanPlain, scanPy } from "./scan-py.ts";
import { splitLines } from "./text.ts";

// Our own scanner, and not the library `ini`: every finding shows its line and column, which `ini` does not keep; and
// files of jailkit 2.23 must mean what they meant to its two parsers, where `ini` unquotes values, cuts them at `;` and
// `#`, and knows neither continuation lines nor [DEFAULT].

/**
 * Reads an ini file; `file` is its name, for messages. Never throws: it returns what could be read, with `problems` in
 * the order of the file. With an error among them the file must not be used.
 */
export function scanIni(bytes: Uint8Array, file: ByteString, dialect: Dialect): IniFile {
  const problems = problemList(file);
  const result: IniFile = {
    file,
    dialect,
    sections: [],
    defaults: [],
    problems: problems.all,
    texts: [{ file, bytes }],
  };
  const most = largestFile(dialect);
  if (bytes.length > most) {
    problems.error(1, 1, "too-long", `more than ${most} bytes`);
    return result;
  }
  let text = fromBytes(bytes);
  const nul = text.indexOf("\0");
  if (nul >= 0 && isUtf16(bytes)) {
    problems.error(1, 1, "nul-byte", "the file is UTF-16; save it as UTF-8");
    text = "";
  } else if (nul >= 0) {
    const before = text.slice(0, nul);
    const lines = splitLines(before, dialect);
    problems.error(lines.length, (lines.at(-1)?.length ?? 0) + 1, "nul-byte", "a NUL byte");
    text = before;
  }
  if (text.startsWith("\xef\xbb\xbf")) {
    problems.warning(1, 1, "byte-order-mark", "the file starts with a byte order mark; save it without");
    // Columns of the first line count from here.
    text = text.slice(3);
  }
  if (dialect === "c") result.sections = scanC(text, file, problems);
  else if (dialect === "plain") result.sections = scanPlain(text, file, problems);
  else {
    const { sections, defaults } = scanPy(text, file, problems);
    result.sections = sections;
    if (defaults !== undefined) result.defaults = [defaults];
  }
  if (problems.all.length > 1) problems.all.sort((a, b) => a.line - b.line || a.column - b.column);
  return result;
}

/** True if the bytes begin with the byte order mark of UTF-16, which some editors and shells of Windows write. */
export const isUtf16 = ([first, second]: Uint8Array): boolean =>
  (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);

const GROUP = "group ";
const MEMBER = "member ";

/** The group of a section [group GROUP] or [member GROUP]; undefined for a section of another name. */
export function groupOfSection(name: ByteString): { group: ByteString; primary: boolean } | undefined {
  if (name.startsWith(GROUP)) return { group: name.slice(GROUP.length), primary: true };
  return name.startsWith(MEMBER) ? { group: name.slice(MEMBER.length), primary: false } : undefined;
}

/** The names of the sections that selectSection looks for, for the message that there is none. */
export const soughtSections = (userName: ByteString, groupName: ByteString | undefined): ByteString =>
  `'${userName}', nor 'group ${groupName}', nor 'member GROUP' for a group of the user, nor 'DEFAULT'`;

/** What the log and explanations say of a section [member GROUP] that `unknown` of memberBy was called for. */
export const unknownGroup = (group: ByteString): ByteString =>
  `section [${MEMBER}${group}] is passed over: the group ${group} is not known`;

/**
 * Whether a process with these gids, which are asked for at most once, is in the group of a name, for selectSection.
 * `unknown` is called with each group that there is not.
 */
export function memberBy(
  gids: () => readonly number[],
  groupByName: (name: ByteString) => { gid: number } | undefined,
  unknown?: (group: ByteString) => void,
): (group: ByteString) => boolean {
  let known: readonly number[] | undefined;
  return (group) => {
    const entry = groupByName(group);
    if (entry === undefined) {
      unknown?.(group);
      return false;
    }
    known ??= gids();
    return known.includes(entry.gid);
  };
}

/**
 * The section for a user: with the name of the user, else "group " and the name of the primary group, else the first with
 * "member " and the name of any group of the user, else "DEFAULT"; the first of several with the same name. No key comes
 * from another section. `isMember` is called only for sections that no other precedes; what it throws is thrown.
 */
export function selectSection(
  ini: { readonly sections: readonly IniSection[] },
  userName: ByteString,
  groupName: ByteString,
  isMember: (group: ByteString) => boolean,
): IniSection | undefined {
  const named = (name: ByteString) => {
    for (const section of ini.sections) if (section.name === name) return section;
    return undefined;
  };
  // A directory service may allow such names of users.
  const own = groupOfSection(userName) === undefined ? named(userName) : undefined;
  const found = own ?? named(GROUP + groupName);
  if (found !== undefined) return found;
  for (const section of ini.sections) {
    const about = groupOfSection(section.name);
    if (about !== undefined && !about.primary && isMember(about.group)) return section;
  }
  return named("DEFAULT");
}
