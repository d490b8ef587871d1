import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { hostNames, hostText, versionsOf } from "../host-files.ts";
import { CONFIGURATION, firstOf, isOn, listens, matchesPattern, type SshdSettings } from "./settings.ts";

const DEEPEST = 16;

/** A line of a configuration, without those that are empty or a comment. */
export interface ConfigLine {
  /** In lower case. "include" if its file is missing; "?" for what is not understood. */
  keyword: string;
  /** Without quotes and comment. */
  words: ByteString[];
  /** It has characters that sshd, or some sshd, reads in another way than this module. */
  isOdd: boolean;
  /** The criteria of the Match block that it is in, and of those that include its file; of a Match line, its own, too. */
  block: readonly Criterion[];
}

type ParsedLine = Omit<ConfigLine, "block">;

function parseLine(line: ByteString): ParsedLine {
  const isEmpty = /^[\t-\r ]*(?:#|$)/.test(line);
  const [, keyword = isEmpty ? "" : "?", rest = ""] =
    /^[\t-\r ]*"?([A-Za-z0-9]+)"?(?:[\t-\r ]*=[\t-\r ]*|[\t-\r ]+)(.*)$/s.exec(line) ?? [];
  const words: ByteString[] = [];
  for (const [, quoted = "", word = ""] of rest.matchAll(/"([^"]*)"|([^\t-\r "]+)/g)) {
    if (word.startsWith("#")) break;
    words.push(quoted || word);
  }
  return { keyword: keyword.toLowerCase(), words, isOdd: /['\\[]/.test(rest) };
}

/** Called for each file that is read, and for each directory that an Include pattern is compared with. */
type Seen = (path: ByteString) => void;

/** The files that an Include pattern matches, and maybe more: brackets match any character. */
function includedFiles(pattern: ByteString, seen: Seen): ByteString[] {
  const path = pattern.startsWith("/") ? pattern : `/etc/ssh/${pattern}`;
  let found = [""];
  for (const name of path.split("/").filter((one) => one !== "")) {
    const wanted = name.replace(/\[[^\]]+\]/g, "?");
    found = found.flatMap((directory) => {
      if (!/[*?]/.test(wanted)) return [`${directory}/${name}`];
      const isShown = (one: ByteString) => wanted.startsWith(".") || !one.startsWith(".");
      seen(directory || "/");
      const names = hostNames(directory || "/").filter((one) => isShown(one) && matchesPattern(one, wanted));
      return names.map((one) => `${directory}/${one}`);
    });
  }
  return found;
}

/** The lines of sshd's main configuration file and of the files that it includes. Throws SystemError. */
function configLines(
  file: ByteString,
  seen: Seen = () => undefined,
  depth = 0,
  around: readonly Criterion[] = [],
): ConfigLine[] {
  const text = depth > DEEPEST ? undefined : hostText(file);
  seen(file);
  if (text === undefined) return [{ keyword: "include", words: [file], isOdd: false, block: around }];
  // A Match block ends with its file.
  let block = around;
  return text.split("\n").flatMap((raw) => {
    const line = parseLine(raw);
    if (line.keyword === "") return [];
    if (line.keyword === "match") block = [...around, ...criteriaIn(line.words)];
    if (line.keyword !== "include") return [{ ...line, block }];
    const files = line.words.flatMap((pattern) => includedFiles(pattern, seen));
    const lines = files.flatMap((one) => configLines(one, seen, depth + 1, block));
    return line.isOdd ? [{ ...line, block }, ...lines] : lines;
  });
}

/** The lines of a server: its options first, then those of its configuration. Throws SystemError. */
export function serverLines({ file, options }: Configured): ConfigLine[] {
  const given = options.flatMap((word, at) => (options[at - 1] === "-o" ? [parseLine(word)] : []));
  return [...given.map((line) => ({ ...line, block: [] })), ...configLines(file)];
}

/** What decides the settings of a server. */
interface Configured {
  readonly file: ByteString;
  /** As options of sshd(8), one word each. */
  readonly options: readonly ByteString[];
}

/** The files of a configuration, and the directories that its Include patterns search. Throws SystemError. */
export function configPaths(file: ByteString): ByteString[] {
  const paths = new Set<ByteString>();
  configLines(file, (path) => paths.add(path));
  return [...paths];
}

/**
 * The words of a keyword in the configuration files, with quotes obeyed: sshd -T prints the `settings` without quotes, so
 * that a name with a blank looks like two. Throws SystemError.
 */
export function quotedWords(
  settings: SshdSettings,
  keyword: string,
  file: ByteString = CONFIGURATION,
): ByteString[] {
  const value = firstOf(settings, keyword);
  const words = value.split(/[\t-\r ]+/).filter((word) => word !== "");
  const isIt = (line: ConfigLine) => line.keyword === keyword && line.words.join(" ") === value;
  return words.length < 2 ? words : (configLines(file).find(isIt)?.words ?? words);
}

/** True if Subsystem is only in Match blocks: then sshd (OpenSSH 10.0) crashes when one applies. Throws SystemError. */
export function subsystemOnlyInMatch(file: ByteString): boolean {
  const keywords = configLines(file).map(({ keyword }) => keyword);
  const [subsystem, match] = [keywords.indexOf("subsystem"), keywords.indexOf("match")];
  return match >= 0 && match < subsystem;
}

/** True if a list of patterns with `!` matches one of several texts, as in Match for users and groups. Pure. */
function namesOneOf(list: ByteString, texts: readonly ByteString[]): boolean {
  const names = (pattern: ByteString) => texts.some((text) => matchesPattern(text, pattern));
  const patterns = list.split(",");
  if (patterns.some((one) => one.startsWith("!") && names(one.slice(1)))) return false;
  return patterns.some((one) => !one.startsWith("!") && names(one));
}

/** The systemd unit that listens instead of sshd; undefined if there is none. */
function socketUnit(): string | undefined {
  const places = ["/etc/systemd/system/sockets.target.wants", "/etc/systemd/system/ssh.service.requires"];
  return ["ssh.socket", "sshd.socket"].find((unit) =>
    [...places.map((place) => `${place}/${unit}`), `/run/systemd/units/invocation:${unit}`].some(
      (path) => statIfPresent(AT_FDCWD, path) !== undefined,
    ),
  );
}

/** A fact that decides whether a Match line applies. */
interface MissingFact {
  what: string;
  /** It is the client's address. */
  address: boolean;
}

const FROM: MissingFact = { what: "the client's address", address: true };
const MORE: MissingFact = { what: "facts that sshd -T is not given", address: false };

/** The missing fact that a criterion needs; undefined if sshd -T can decide. */
function undecidedCriterion(
  criterion: string,
  settings: SshdSettings,
  from: ByteString | undefined,
): MissingFact | undefined {
  const { addresses, ports } = listens(settings);
  const origin = from === undefined ? FROM : undefined;
  switch (criterion) {
    case "address":
      return origin;
    // Without UseDNS, the host name is the address.
    case "host":
      return isOn(settings, "usedns") ? MORE : origin;
    case "localaddress":
    case "localport": {
      const unit = socketUnit();
      if (unit !== undefined)
        return { what: `the address at which systemd listens for sshd (${unit})`, address: false };
      return (criterion === "localport" ? ports : addresses).length === 1 ? undefined : MORE;
    }
    case "rdomain":
      return MORE;
    default:
      return undefined;
  }
}

/** A part of a Match line. */
export interface Criterion {
  /** In lower case. */
  readonly criterion: string;
  /** "" for those that have none. */
  readonly argument: ByteString;
}

/** The criteria of a Match line. Pure. */
function criteriaIn(words: readonly ByteString[]): Criterion[] {
  const found: Criterion[] = [];
  const left = [...words];
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    const [attribute = "", ...value] = word.split("=");
    const criterion = attribute.toLowerCase();
    const isAlone = criterion === "all" || criterion === "invalid-user";
    const argument = isAlone ? "" : value.length > 0 ? value.join("=") : (left.shift() ?? "");
    found.push({ criterion, argument });
  }
  return found;
}

/** A user, as Match lines see it. */
export interface MatchedUser {
  readonly name: ByteString;
  /** The names of all its groups. */
  readonly groups: readonly ByteString[];
}

/** True if a criterion names the user, or one of its groups; undefined for a criterion about something else. Pure. */
export function namesUser(
  { criterion, argument }: Criterion,
  { name, groups }: MatchedUser,
): boolean | undefined {
  if (criterion === "user") return namesOneOf(argument, [name]);
  return criterion === "group" ? namesOneOf(argument, groups) : undefined;
}

/** A rule of a configuration: whether it is one for a user in these groups. */
export type GroupRule = (groups: readonly ByteString[]) => boolean;

/** A rule for the groups that a line DenyGroups names. Pure. */
export const deniesGroups =
  (words: readonly ByteString[]): GroupRule =>
  (groups) =>
    words.some((one) => groups.some((name) => matchesPattern(name, one)));

/** Those of some groups without which one of the rules does not hold any more for a user who is in `all`. Pure. */
export function groupsOfRules(
  rules: readonly GroupRule[],
  all: readonly ByteString[],
  some: readonly ByteString[],
): ByteString[] {
  let left = all;
  return some.filter((group) => {
    const without = left.filter((one) => one !== group);
    if (rules.some((names) => names(left) && !names(without))) return true;
    left = without;
    return false;
  });
}

let read: { file: ByteString; paths: ByteString[]; versions: string; criteria: Criterion[] } | undefined;

/** The criteria of all Match lines of a configuration; its files are read again when one has changed. */
function criteriaOf(file: ByteString) {
  if (read?.file === file && versionsOf(read.paths) === read.versions) return read;
  const paths = new Set<ByteString>();
  const matches = configLines(file, (path) => paths.add(path)).filter(({ keyword }) => keyword === "match");
  const criteria = matches.flatMap(({ words }) => criteriaIn(words));
  read = { file, paths: [...paths], versions: versionsOf([...paths]), criteria };
  return read;
}

/**
 * Identifies the settings that `sshd -T` prints for a user: two users with the same text are the same to all Match lines, of
 * the same configuration. Throws SystemError.
 */
export function settingsKey(file: ByteString, user: MatchedUser): string {
  const { versions, criteria } = criteriaOf(file);
  return JSON.stringify([file, versions, criteria.map((one) => namesUser(one, user) ?? null)]);
}

/**
 * The Match lines of sshd_config(5) that may apply to a user, but depend on more than was given: the client's address,
 * its host name, or the local address and port if sshd listens on several. Throws SystemError.
 */
export function undecidedMatches(
  settings: SshdSettings,
  user: MatchedUser,
  from: ByteString | undefined,
  file: ByteString = CONFIGURATION,
): (MissingFact & { line: ByteString })[] {
  return configLines(file).flatMap(({ keyword, words }) => {
    if (keyword !== "match") return [];
    const criteria = criteriaIn(words);
    if (criteria.some((one) => namesUser(one, user) === false)) return [];
    const found = criteria.map(({ criterion }) => undecidedCriterion(criterion, settings, from));
    const other = found.find((one) => one?.address === false) ?? found.find((one) => one !== undefined);
    return other === undefined ? [] : [{ ...other, line: words.join(" ") }];
  });
}
