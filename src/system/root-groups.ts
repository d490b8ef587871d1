import { type ByteString, trim } from "../../ffi/bytes.ts";
import { answered } from "../cli/error.ts";
import type { Group } from "./accounts.ts";
import { hostNames, hostText } from "./host-files.ts";
import { parseNsswitch } from "./name-services.ts";

// Of sudo(8), its other implementation, and doas(1). The directories count whether or not a file includes them.
const FILES = ["/etc/sudoers", "/etc/sudoers-rs", "/usr/etc/sudoers", "/etc/doas.conf"];
const DIRECTORIES = ["/etc/sudoers.d", "/usr/etc/sudoers.d", "/etc/doas.d"];
const INCLUDE = /^[\t ]*[#@]include(dir)?\b(.*)$/gm;
const PLAIN_PATH = /^\/[\w./-]+$/;
/** A line of sudo.conf(5) that names other rules. */
const OTHER_RULES = /^[\t ]*Plugin[\t ](?!.*[\t /]sudoers\.so[\t ]*$)/m;

/** Without what quotes a part of a word. */
const unquoted = (text: ByteString): ByteString =>
  text
    .replace(/\\x([\da-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
    .replace(/["\\]/g, "");

/**
 * What the rules of sudo(8) and doas(1) say; undefined if more may be said elsewhere, such as in a directory. `root`: the
 * directory that has them. Throws SystemError.
 */
export function rootRules(root: ByteString): ByteString | undefined {
  const read = (path: ByteString) => hostText(root + path) ?? "";
  const filesIn = (directory: ByteString) =>
    hostNames(root + directory).map((name) => `${directory}/${name}`);
  const services = parseNsswitch(read("/etc/nsswitch.conf")).get("sudoers") ?? [];
  if (services.some((one) => one !== "files") || OTHER_RULES.test(read("/etc/sudo.conf"))) return undefined;
  const files = new Set([...FILES, ...DIRECTORIES.flatMap(filesIn)]);
  const texts: ByteString[] = [];
  // Those that are included are added meanwhile.
  for (const file of files) {
    const text = read(file);
    for (const [, isDirectory, rest = ""] of text.matchAll(INCLUDE)) {
      const path = trim(rest);
      if (!PLAIN_PATH.test(path)) return undefined;
      for (const one of isDirectory ? filesIn(path) : [path]) files.add(one);
    }
    // A line that goes on ends a word of sudoers(5), but none of doas.conf(5).
    texts.push(unquoted(text.replace(/\\\r?\n/g, file.includes("doas") ? "" : " ")));
  }
  return texts.join("\n");
}

/** Whether rules name a group, as %NAME, %#GID or :NAME, in upper or lower case. Undefined rules may. Pure. */
export function nameGroup(rules: ByteString | undefined, { name, gid }: Group): boolean {
  if (rules === undefined) return true;
  const word = `(?:${RegExp.escape(unquoted(name))}|0*${gid})`;
  return new RegExp(`[%:][:#]*${word}(?![\\w.-])`, "i").test(rules);
}

let known: { readonly rules: ByteString | undefined } | undefined;

/** Whether the rules of sudo(8) or doas(1) on this machine name a group, or may. They are read once. */
export function isNamedForRoot(group: Group): boolean {
  known ??= { rules: answered(() => rootRules("")) };
  return nameGroup(known.rules, group);
}
