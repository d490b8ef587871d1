import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import type { DirectoryEntry } from "../../ffi/files.ts";
import { quoted } from "../cli/display.ts";
import type { Remedy } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import { freeName } from "../system/free-name.ts";
import { isDropIn } from "./load.ts";
import { ASIDE } from "./put-aside.ts";

/** A file in a drop-in directory that nothing reads, though somebody may have meant it. */
export interface UnreadFile {
  readonly file: ByteString;
  /** Printable. */
  readonly message: ByteString;
  /** The command that changes its name; undefined if none helps. */
  readonly remedy: Remedy | undefined;
}

/** What editors, package managers and programs that are writing leave behind, and what somebody has put aside. */
const LEFT: readonly RegExp[] = [
  /~$|^#|,v$/,
  /\.(?:bak|dist|disabled|new|off|old|orig|rej|save|saved|tmp)\d*$/i,
  /\.(?:apk|dpkg|ucf)-[a-z]+$/,
  /\.(?:pac|rpm)(?:new|orig|save)$/,
];

/** A hidden name that somebody types; not .ansible_tmpx.ini, ._x.ini of macOS, .#x.ini of Emacs. */
const TYPED_HIDDEN = /^\.(?!ansible_tmp|[_#~]).*\.ini$/is;

const TEXT_ABOUT = /^(?:readme|licen[cs]e|copying)(?:\.|$)|\.md$/i;

function isMeant({ name, type }: DirectoryEntry): boolean {
  if (isDropIn(name) || isAside(name) || ![C.DT_REG, C.DT_LNK, C.DT_DIR, C.DT_UNKNOWN].includes(type))
    return false;
  if (name.startsWith(".")) return TYPED_HIDDEN.test(name) && type !== C.DT_DIR;
  return !TEXT_ABOUT.test(name) && !LEFT.some((pattern) => pattern.test(name));
}

// With a number, where the name is taken.
const isAside = (name: ByteString): boolean => name.replace(/\d+$/, "").endsWith(ASIDE);

/** What a remedy has put aside in a drop-in directory: no finding, and no decision about what it says. Pure. */
export const asideFiles = (directory: ByteString, entries: readonly DirectoryEntry[]): ByteString[] =>
  entries.filter(({ name }) => isAside(name)).map(({ name }) => `${directory}/${name}`);

/** The name under which a file is read; undefined if nothing is left of its own. */
export function readName(name: ByteString): ByteString | undefined {
  const stem = name
    .replace(/^\.+/, "")
    .replace(/\.ini(?![a-z\d]).*$/is, "")
    .replace(/\.(?:cfg|cnf|conf|config|txt)$/i, "");
  return stem === "" ? undefined : `${stem}.ini`;
}

/**
 * The files of a drop-in directory that are not read because of their names, and directories for which `holds` tells that
 * they have files that would be read, in the order of their names, without what is left behind.
 */
export function unreadFiles(
  directory: ByteString,
  entries: readonly DirectoryEntry[],
  holds: (name: ByteString) => boolean,
): UnreadFile[] {
  const taken = new Set(entries.map(({ name }) => name));
  const meant = entries
    .filter((one) => isMeant(one) && (one.type !== C.DT_DIR || holds(one.name)))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
  return meant.map(({ name, type }) => {
    const file = `${directory}/${name}`;
    const why = "is not read: its name must end with '.ini', and not begin with a dot";
    // A drop-in may not be a link, whatever its name.
    if (type === C.DT_LNK)
      return {
        file,
        message: `${quoted(file)} ${why}, and it may not be a symbolic link`,
        remedy: undefined,
      };
    const read = type === C.DT_DIR ? undefined : readName(name);
    const isTaken = (one: ByteString) => taken.has(one);
    const wanted = read === undefined || isTaken(read) ? freeName(name, ASIDE, isTaken) : read;
    taken.add(wanted);
    const remedy: Remedy = `mv -nT ${shellWord(file)} ${shellWord(`${directory}/${wanted}`)}`;
    const inside = `has .ini files, which are not read in a directory: ${quoted(directory)} is the place for them`;
    return { file, message: `${quoted(file)} ${type === C.DT_DIR ? inside : why}`, remedy };
  });
}
