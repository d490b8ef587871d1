import * as ini from "ini";
import { type ByteString, toBytes } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { Dialect, IniSection } from "./model.ts";
import { scanIni } from "./scan.ts";

/** A section as a tool writes it. */
interface NewSection {
  name: ByteString;
  values: Readonly<Record<ByteString, ByteString | number>>;
}

/**
 * The text of a drop-in: a comment of one line, and a section. Throws JailkitError "config-write" if a name or value
 * cannot be written so that it reads back the same, such as one with a newline.
 */
export function dropInText(section: NewSection, dialect: Dialect, comment: ByteString): ByteString {
  return withSection(`# ${comment}\n`, section, dialect);
}

/**
 * The text of a file with a section added at its end; the old text stays byte for byte, and means the same. Throws as
 * dropInText, also if the last line of the file would swallow the section.
 */
export function appendSection(text: ByteString, section: NewSection, dialect: Dialect): ByteString {
  return withSection(text === "" || text.endsWith("\n") ? `${text}\n` : `${text}\n\n`, section, dialect);
}

function withSection(before: ByteString, section: NewSection, dialect: Dialect): ByteString {
  const { name, values } = section;
  const whole = `${before}[${name}]\n${ini.encode(values, { whitespace: true, platform: "linux" })}`;
  const old = scanIni(toBytes(before), "", dialect);
  const { sections, problems } = scanIni(toBytes(whole), "", dialect);
  const unchanged =
    JSON.stringify([sections.slice(0, -1), problems]) === JSON.stringify([old.sections, old.problems]);
  if (unchanged && readsBack(section, sections.at(-1))) return whole;
  const message = `a name or value in ${quoted(name)} cannot be written to an ini file`;
  throw new JailkitError("config-write", 1, message);
}

function readsBack({ name, values }: NewSection, section: IniSection | undefined): boolean {
  if (section?.name !== name) return false;
  const written = Object.entries(values);
  return (
    section.entries.length === written.length &&
    section.entries.every(({ key, value }) => Object.hasOwn(values, key) && String(values[key]) === value)
  );
}

/**
 * The file name of the drop-in for a path, one for each path: `/home/sftp-root` is "home-sftp%2droot.ini". Bytes other
 * than letters, digits, `.` and `_` are written as `%` and two hexadecimal digits.
 */
export function dropInName(path: ByteString): ByteString {
  const name = path
    .slice(1)
    .replace(/[^A-Za-z0-9._/]/g, (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, "0")}`)
    .replace(/\//g, "-");
  // Files that begin with a dot are not read.
  return `${name.replace(/^\./, "%2e")}.ini`;
}
