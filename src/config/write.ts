import { type ByteString, toBytes } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
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
  return withSections(`# ${comment}\n`, [section], dialect);
}

/**
 * The text of a file with sections added at its end; the old text stays byte for byte, and means the same. Throws as
 * dropInText, also if the last line of the file would swallow a section.
 */
export function appendSections(
  text: ByteString,
  sections: readonly NewSection[],
  dialect: Dialect,
): ByteString {
  return withSections(text === "" || text.endsWith("\n") ? `${text}\n` : `${text}\n\n`, sections, dialect);
}

function withSections(before: ByteString, added: readonly NewSection[], dialect: Dialect): ByteString {
  const texts = added.map(({ name, values }) => `[${name}]\n${linesOf(values)}`);
  const whole = before + texts.join("\n");
  const old = scanIni(toBytes(before), "", dialect);
  const { sections, problems } = scanIni(toBytes(whole), "", dialect);
  const count = old.sections.length;
  const unchanged =
    sections.length === count + added.length &&
    JSON.stringify([sections.slice(0, count), problems]) === JSON.stringify([old.sections, old.problems]);
  const wrong = added.find((section, index) => !readsBack(section, sections[count + index]));
  if (unchanged && wrong === undefined) return whole;
  const message = `a name or value in ${quoted((wrong ?? added[0])?.name ?? "")} cannot be written to an ini file`;
  throw new JailkitError("config-write", 1, message);
}

/**
 * The text of a file without the first section of a name; undefined if it has none. Comments above a section belong to it no
 * more than those between two others: they stay. Throws JailkitError "config-write" if another section would change.
 */
export function withoutSection(text: ByteString, name: ByteString, dialect: Dialect): ByteString | undefined {
  const old = scanIni(toBytes(text), "", dialect);
  const at = old.sections.findIndex((section) => section.name === name);
  const section = old.sections[at];
  if (section === undefined) return undefined;
  const end = old.sections[at + 1]?.line ?? Number.POSITIVE_INFINITY;
  const last = Math.max(section.line, ...section.entries.map(({ line }) => line));
  const lines = text.split("\n");
  const isOwn = (line: ByteString, number: number) =>
    number >= section.line && number < end && (number <= last || !/^[\t-\r ]*(?:[#;]|$)/.test(line));
  const kept = lines.filter((line, index) => !isOwn(line, index + 1));
  // The empty line before it, of appendSections.
  if (kept[section.line - 2] === "" && section.line > 1) kept.splice(section.line - 2, 1);
  const result = kept.join("\n");
  const values = (sections: readonly IniSection[]) =>
    JSON.stringify(sections.map((one) => [one.name, one.entries.map(({ key, value }) => [key, value])]));
  const now = scanIni(toBytes(result), "", dialect).sections;
  if (values(now) === values(old.sections.filter((one) => one !== section))) return result;
  const message = `the section [${display(name)}] cannot be taken out of the file: edit it by hand`;
  throw new JailkitError("config-write", 1, message);
}

/** The lines of keys; withSections verifies that they read back. */
const linesOf = (values: NewSection["values"]): ByteString =>
  Object.entries(values)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join("");

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
