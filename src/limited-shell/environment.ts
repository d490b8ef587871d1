import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";

/** A variable that was not taken over, and why. */
interface DroppedVariable {
  name: ByteString;
  reason: string;
}

/** What is left of an environment, in order, each name once; and what is not. */
interface FilteredEnvironment {
  variables: Map<ByteString, ByteString>;
  dropped: DroppedVariable[];
}

const LONGEST_VALUE = 4096;
const LONGEST_WORD = 128;

// Names of locales and terminals become parts of file names in the programs that read them.
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

/** tzset(3) opens what TZ names; within zoneinfo that is harmless (CVE-2014-9680). */
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
 * What the value of a variable must be; undefined for a name that is not taken over. Names are compared and not
 * matched: to compile a pattern for each of them costs a login more than all that it does with the environment.
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
    // These name programs or libraries that ssh(1) would run or load.
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
 * What of the caller's environment ("NAME=value" entries) a command in a jail gets: the names of a list, with values
 * that are what they should be, and those of `extraNames`, which the administrator named and so may hold anything.
 * No list of harmful names is ever complete (PERL5OPT, PYTHONPATH, RSYNC_RSH, ...). Names that ld.so(8) acts on are
 * never taken over. Of a name that occurs twice, the first counts, as for getenv(3).
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
 * The environment of a command of jk_lsh: what filterEnvironment leaves of the caller's, and over it the pairs of the
 * key `environment`. LD_* there is ignored and reported: it would be code for every command.
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
