import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";

const LONGEST_VALUE = 4096;
const LONGEST_WORD = 128;

const CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const CAPITALS_AND_DIGITS = `${CAPITALS}0123456789_`;
const OF_WORDS = `${CAPITALS_AND_DIGITS}abcdefghijklmnopqrstuvwxyz.,@+:=-`;

/** Whether a text has only these characters from `start` on. Not a pattern: the first use of each costs a login time. */
function hasOnly(text: ByteString, start: number, characters: string): boolean {
  for (let at = start; at < text.length; at++) if (!characters.includes(text.charAt(at))) return false;
  return true;
}

// Programs make file names from the names of locales and terminals.
const isWord = (value: ByteString) =>
  value.length <= LONGEST_WORD && value.charAt(0) !== "." && hasOnly(value, 0, OF_WORDS);
const isPath = (value: ByteString) => value.startsWith("/");
const isAccountName = (value: ByteString) =>
  value !== "" && value.length <= 256 && !value.includes("/") && !value.includes(":");
const isAnything = () => true;

function isSearchPath(value: ByteString): boolean {
  for (const directory of value.split(":")) if (!isPath(directory)) return false;
  return true;
}

/** tzset(3) opens the file that TZ names; in zoneinfo that is harmless (CVE-2014-9680). */
function isTimeZone(value: ByteString): boolean {
  if (value.length > LONGEST_WORD || !/^:?[A-Za-z0-9_+\-/:,.<>]*$/.test(value)) return false;
  const path = value.replace(/^:/, "");
  if (path.split("/").includes("..")) return false;
  return !path.startsWith("/") || path.startsWith("/usr/share/zoneinfo/");
}

function isHost(value: ByteString): boolean {
  return value.length <= 256 && /^[A-Za-z0-9_.:[\]/%-]*$/.test(value);
}

const RULES = new Map([
  ["LANG", isWord],
  ["TERM", isWord],
  ["GIT_PROTOCOL", isWord],
  ["TZ", isTimeZone],
  ["HOME", isPath],
  ["SHELL", isPath],
  ["MAIL", isPath],
  ["USER", isAccountName],
  ["LOGNAME", isAccountName],
  ["PATH", isSearchPath],
  ["DISPLAY", isHost],
]);

// Programs or libraries that ssh(1) would run or load.
const RUN_BY_SSH = ["SSH_ASKPASS", "SSH_SK_PROVIDER", "SSH_SK_HELPER", "SSH_PKCS11_HELPER"];

/**
 * The rule for the value of a variable; undefined for a name that is dropped. Names are compared, not matched: compiling a
 * pattern for each of them would cost a login more than everything else about the environment.
 */
function ruleFor(name: ByteString): ((value: ByteString) => boolean) | undefined {
  if (RUN_BY_SSH.includes(name)) return undefined;
  const rule = RULES.get(name);
  if (rule !== undefined) return rule;
  if (name.startsWith("LC_")) return name.length > 3 && hasOnly(name, 3, CAPITALS) ? isWord : undefined;
  const mayHoldAnything = (name.startsWith("SSH_") || name.startsWith("XDG_")) && name.length > 4;
  return mayHoldAnything && hasOnly(name, 4, CAPITALS_AND_DIGITS) ? isAnything : undefined;
}

/**
 * The part of the caller's environment ("NAME=value" entries) that a command in a jail gets: listed names with harmless
 * values, and `extraNames`, which the administrator has named, with any value. A list of harmful names would never be
 * complete (PERL5OPT, PYTHONPATH, RSYNC_RSH, ...). LD_* is always dropped: ld.so(8) acts on it. Of several entries with one
 * name the first counts, as for getenv(3).
 */
export function filterEnvironment(
  entries: readonly ByteString[],
  extraNames: readonly ByteString[],
): Map<ByteString, ByteString> {
  const variables = new Map<ByteString, ByteString>();
  for (const entry of entries) {
    const equals = entry.indexOf("=");
    const name = entry.slice(0, Math.max(equals, 0));
    const value = entry.slice(equals + 1);
    if (name === "" || variables.has(name)) continue;
    if (isHarmless(name, value, extraNames)) variables.set(name, value);
  }
  return variables;
}

function hasControlCharacter(value: ByteString): boolean {
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

function isHarmless(name: ByteString, value: ByteString, extraNames: readonly ByteString[]): boolean {
  if (name.startsWith("LD_")) return false;
  if (extraNames.includes(name)) return true;
  const rule = ruleFor(name);
  if (rule === undefined || hasControlCharacter(value) || value.length > LONGEST_VALUE) return false;
  return rule(value);
}

/**
 * The environment of a command of jk_lsh: the caller's, filtered, and over it the pairs of the key `environment`. LD_*
 * there is ignored and reported: it would be code for every command.
 */
export function commandEnvironment(
  entries: readonly ByteString[],
  configured: readonly (readonly [name: ByteString, value: ByteString])[],
  extraNames: readonly ByteString[],
): { variables: Map<ByteString, ByteString>; findings: string[] } {
  const variables = filterEnvironment(entries, extraNames);
  const findings: string[] = [];
  for (const [name, value] of configured) {
    if (name.startsWith("LD_")) findings.push(`environment: ${quoted(name)} is ignored: ld.so acts on it`);
    else if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      findings.push(`environment: ${quoted(name)} is ignored: it is not a name of a variable`);
    } else variables.set(name, value);
  }
  return { variables, findings };
}

const ORIGINAL_COMMAND = "SSH_ORIGINAL_COMMAND";

/** Tells a forced command what the client asked for, as sshd(8) does: exactly these bytes, or no variable for nothing. */
export function setOriginalCommand(
  variables: Map<ByteString, ByteString>,
  asked: ByteString | undefined,
): void {
  variables.delete(ORIGINAL_COMMAND);
  if (asked !== undefined) variables.set(ORIGINAL_COMMAND, asked);
}
