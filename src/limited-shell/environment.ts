import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";

/** A variable that was dropped, and why. */
interface DroppedVariable {
  name: ByteString;
  reason: string;
}

/** A filtered environment, in order, each name once; and the dropped variables. */
interface FilteredEnvironment {
  variables: Map<ByteString, ByteString>;
  dropped: DroppedVariable[];
}

const LONGEST_VALUE = 4096;
const LONGEST_WORD = 128;

// Programs make file names from the names of locales and terminals.
const isWord = (value: ByteString) =>
  value.length <= LONGEST_WORD && /^(?!\.)[A-Za-z0-9_.,@+:=-]*$/.test(value);
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

/**
 * The rule for the value of a variable; undefined for a name that is dropped. Names are compared, not matched: compiling a
 * pattern for each of them would cost a login more than everything else about the environment.
 */
function checkOf(name: ByteString): ((value: ByteString) => boolean) | undefined {
  switch (name) {
    case "LANG":
    case "TERM":
    case "GIT_PROTOCOL":
      return isWord;
    case "TZ":
      return isTimeZone;
    case "HOME":
    case "SHELL":
    case "MAIL":
      return isPath;
    case "USER":
    case "LOGNAME":
      return isAccountName;
    case "PATH":
      return isSearchPath;
    case "DISPLAY":
      return isHost;
    // Programs or libraries that ssh(1) would run or load.
    case "SSH_ASKPASS":
    case "SSH_SK_PROVIDER":
    case "SSH_SK_HELPER":
    case "SSH_PKCS11_HELPER":
      return undefined;
  }
  if (name.startsWith("LC_")) return /^LC_[A-Z]+$/.test(name) ? isWord : undefined;
  const mayHoldAnything = name.startsWith("SSH_") || name.startsWith("XDG_");
  return mayHoldAnything && /^..._[A-Z0-9_]+$/.test(name) ? isAnything : undefined;
}

/**
 * The part of the caller's environment ("NAME=value" entries) that a command in a jail gets: listed names with harmless
 * values, and `extraNames`, which the administrator has named, with any value. A list of harmful names would never be
 * complete (PERL5OPT, PYTHONPATH, RSYNC_RSH, ...). Names that ld.so(8) acts on are always dropped. Of several entries with
 * one name the first counts, as for getenv(3).
 */
export function filterEnvironment(
  entries: readonly ByteString[],
  extraNames: readonly ByteString[],
): FilteredEnvironment {
  const variables = new Map<ByteString, ByteString>();
  const dropped: DroppedVariable[] = [];
  for (const entry of entries) {
    const equals = entry.indexOf("=");
    const name = equals < 0 ? entry : entry.slice(0, equals);
    const value = entry.slice(equals + 1);
    const reason =
      equals <= 0
        ? "it is not NAME=value"
        : variables.has(name)
          ? "it is there twice"
          : whyDropped(name, value, extraNames);
    if (reason === undefined) variables.set(name, value);
    else dropped.push({ name, reason });
  }
  return { variables, dropped };
}

function hasControlCharacter(value: ByteString): boolean {
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

function whyDropped(
  name: ByteString,
  value: ByteString,
  extraNames: readonly ByteString[],
): string | undefined {
  if (name.startsWith("LD_")) return "ld.so acts on it";
  if (extraNames.includes(name)) return undefined;
  const isAllowed = checkOf(name);
  if (isAllowed === undefined) return "it is not among the names that are taken over";
  if (hasControlCharacter(value)) return "its value holds a control character";
  if (value.length > LONGEST_VALUE) return "its value is too long";
  return isAllowed(value) ? undefined : "its value is not what it should be";
}

/**
 * The environment of a command of jk_lsh: the caller's, filtered, and over it the pairs of the key `environment`. LD_*
 * there is ignored and reported: it would be code for every command.
 */
export function commandEnvironment(
  entries: readonly ByteString[],
  configured: readonly (readonly [name: ByteString, value: ByteString])[],
  extraNames: readonly ByteString[] = [],
): FilteredEnvironment & { findings: string[] } {
  const { variables, dropped } = filterEnvironment(entries, extraNames);
  const findings: string[] = [];
  for (const [name, value] of configured) {
    if (name.startsWith("LD_")) findings.push(`environment: ${quoted(name)} is ignored: ld.so acts on it`);
    else if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      findings.push(`environment: ${quoted(name)} is ignored: it is not a name of a variable`);
    } else variables.set(name, value);
  }
  return { variables, dropped, findings };
}
