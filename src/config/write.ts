import * as ini from "ini";
import { type ByteString, toBytes } from "../../ffi/bytes.ts";
import { chmodFd, makeDirectory, renameAt, unlinkAt } from "../../ffi/changes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { close, fstat, openAt, readFileIfPresent, writeAll } from "../../ffi/files.ts";
import { display, quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { dropInheritedAcl } from "../system/acl.ts";
import { sectionValues } from "./decode.ts";
import { dropInDirectory } from "./load.ts";
import { type Dialect, type IniSection, LIMITS } from "./model.ts";
import { scanIni } from "./scan.ts";
import { unsafeBecause } from "./trusted.ts";

/** A section as a tool writes it. */
export interface NewSection {
  name: ByteString;
  values: Readonly<Record<ByteString, ByteString | number>>;
}

/**
 * The text of a file with these sections, after `heading` (lines of a comment, without #). Throws a JailkitError
 * where a name or value cannot be written so that it reads back the same, such as one with a newline.
 */
export function encodeSections(
  sections: readonly NewSection[],
  dialect: Dialect,
  heading: ByteString,
): ByteString {
  const comment = heading
    .split("\n")
    .map((line) => `# ${line}\n`)
    .join("");
  const text = comment + sections.map(encodeSection).join("");
  const read = scanIni(toBytes(text), "", dialect);
  const same = sections.every((section, index) => readsBack(section, read.sections[index]));
  if (!same || read.sections.length !== sections.length || read.problems.length > 0)
    throw notWritable(sections);
  return text;
}

const encodeSection = ({ name, values }: NewSection): ByteString =>
  `\n[${name}]\n${ini.encode(values, { whitespace: true, platform: "linux" })}`;

function readsBack({ name, values }: NewSection, section: IniSection | undefined): boolean {
  if (section?.name !== name) return false;
  const found = sectionValues(section);
  const wanted = Object.entries(values);
  return found.size === wanted.length && wanted.every(([key, value]) => found.get(key) === String(value));
}

function notWritable(sections: readonly NewSection[]): JailkitError {
  const names = sections.map(({ name }) => quoted(name)).join(", ");
  return new JailkitError("config-write", 1, `a name or value in ${names} cannot be written to an ini file`);
}

/**
 * The text of a file with a section more at its end; what is there stays byte for byte, and means the same. Throws a
 * JailkitError where the section would not read back, as after a line that it would be a part of.
 */
export function appendSection(text: ByteString, section: NewSection, dialect: Dialect): ByteString {
  const start = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  const whole = start + encodeSection(section);
  const before = scanIni(toBytes(text), "", dialect);
  const after = scanIni(toBytes(whole), "", dialect);
  const same = JSON.stringify([after.sections.slice(0, -1), after.problems]);
  if (
    !readsBack(section, after.sections.at(-1)) ||
    same !== JSON.stringify([before.sections, before.problems])
  )
    throw notWritable([section]);
  return whole;
}

/**
 * A name for the drop-in that concerns a path: letters, digits and dots stay, a slash becomes `-`, and other bytes
 * become `_` and two hexadecimal digits, so that two paths never share a name.
 */
export function dropInName(path: ByteString): ByteString {
  const trimmed = path.replace(/^\/+/, "").replace(/\/+$/, "");
  const name = trimmed
    .split(/\/+/)
    .map((part) =>
      part.replace(/^\.|[^A-Za-z0-9.]/g, (c) => `_${c.charCodeAt(0).toString(16).padStart(2, "0")}`),
    )
    .join("-");
  if (name.length <= 200) return name === "" ? "-" : name;
  return `${name.slice(0, 180)}-${Bun.hash(name).toString(16)}`;
}

function openDropIns(directory: ByteString, owner: number): number {
  let made = true;
  try {
    makeDirectory(C.AT_FDCWD, directory, 0o755);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
    made = false;
  }
  const fd = openAt(C.AT_FDCWD, directory, C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW);
  if (made) {
    dropInheritedAcl(fd, true);
    // Not left to the umask: jk_lsh and others read it as users.
    chmodFd(fd, 0o755);
  }
  const unsafe = unsafeBecause(fstat(fd), owner);
  if (unsafe === undefined) return fd;
  close(fd);
  throw new JailkitError("config-unsafe", 1, `${display(directory)} ${unsafe}`);
}

/**
 * Writes the drop-in NAME.ini of a config file, atomically, mode 0644; its directory is made when it is missing.
 * Returns its path, and whether it is new or other than before. Throws SystemError and JailkitError.
 */
export function writeDropIn(
  file: ByteString,
  name: ByteString,
  text: ByteString,
  owner = 0,
): { path: ByteString; changed: boolean } {
  const directory = dropInDirectory(file);
  if (directory === undefined || name === "" || /[/\0]|^\./.test(name)) {
    throw new JailkitError("config-write", 1, `${display(file)} has no drop-in ${quoted(name)}`);
  }
  const fd = openDropIns(directory, owner);
  const path = `${directory}/${name}.ini`;
  const temporary = `.${name.slice(0, 200)}.${process.pid}.new`;
  try {
    const bytes = toBytes(text);
    const before = readFileIfPresent(`${name}.ini`, LIMITS.fileBytes, fd);
    if (before !== undefined && Buffer.from(before).equals(bytes)) return { path, changed: false };
    const out = openAt(fd, temporary, C.O_WRONLY | C.O_CREAT | C.O_EXCL | C.O_NOFOLLOW, 0o600);
    try {
      writeAll(out, bytes);
      dropInheritedAcl(out, false);
      chmodFd(out, 0o644);
      renameAt(fd, temporary, fd, `${name}.ini`);
    } catch (error) {
      unlinkAt(fd, temporary);
      throw error;
    } finally {
      close(out);
    }
    return { path, changed: true };
  } finally {
    close(fd);
  }
}
