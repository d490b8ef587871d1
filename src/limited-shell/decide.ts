import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { LshSection } from "../config/schemas/lsh.ts";
import { type AllowedCommand, judgeAllowed } from "../known-programs/allow/table.ts";
import type { Program } from "../known-programs/program.ts";
import { recognise, refusalOf } from "../known-programs/recognise.ts";
import { expandWords } from "./expand.ts";
import type { FileView } from "./files.ts";
import { type RefusalCode, WORDS_EXIT_STATUS } from "./refusal.ts";
import { splitWords } from "./split.ts";

// Exit statuses of a refusal, as in jailkit 2.23.
const NOT_ALLOWED = 4;
const NO_EXECUTABLES = 5;
const NOT_FOUND = 127;

/** The keys of a section of jk_lsh.ini that a decision depends on. */
export type LshPolicy = Pick<
  LshSection,
  "executables" | "paths" | "allowWordExpansion" | "allowSpawnOptions"
> &
  Partial<Pick<LshSection, "allow" | "read" | "write">>;

interface CommandRequest {
  /** The argument of -c. */
  commandLine: ByteString;
  policy: LshPolicy;
  /** The environment for the command; expansion reads it. */
  environment: ReadonlyMap<ByteString, ByteString>;
  /** The user's home directory, for `~` if HOME is unset. */
  home: ByteString;
  files: FileView;
}

/** The command may run: exactly this file with exactly this argument vector. */
interface Allowed {
  allowed: true;
  path: ByteString;
  /** argv[0] is `path`, as in jailkit 2.23. */
  argv: ByteString[];
  /** The rows of the table of programs that it may be. */
  programs: readonly Program[];
  /** What the key `allow` says of it; undefined if the key `executables` allows it. */
  granted: Pick<AllowedCommand, "word" | "read" | "write"> | undefined;
}

/** The command may not run. Both texts are printable and one line long. */
interface Refused {
  allowed: false;
  exitStatus: number;
  /** A stable name for programs: a RefusalCode, or a code of wordError. */
  code: string;
  /** For the log: everything. */
  reason: string;
  /** For the user; it must not reveal anything new. */
  shown: string;
}

export type Decision = Allowed | Refused;

// A command line may have 128 KB.
const LONGEST_LOGGED = 1024;
const LONGEST_SHOWN = 160;

/**
 * Decides whether a command line may run, and with which file and arguments. Never throws for a command line.
 *
 * In order: the words (exit status 6 if there are none or they cannot be formed), the words of the key `allow` for the
 * program, if there are any (4, 127), else the file (`paths`), the key `executables` (5 if missing or empty), the exact
 * comparison with it (4), and whether the file exists (127); then options that start other programs (4).
 */
export function decide(request: CommandRequest): Decision {
  const { commandLine, policy, environment, home, files } = request;
  let words: ByteString[];
  try {
    words = policy.allowWordExpansion
      ? expandWords(commandLine, { environment, home, files })
      : splitWords(commandLine);
  } catch (error) {
    if (!(error instanceof JailkitError)) throw error;
    const { exitStatus, code, message } = error;
    const shown = shorten(message, LONGEST_SHOWN);
    return refused(commandLine, exitStatus, code, shorten(message, LONGEST_LOGGED), shown);
  }
  const [typed, ...args] = words;
  if (typed === undefined || typed === "") {
    const code: RefusalCode = "empty-command";
    return refused(commandLine, WORDS_EXIT_STATUS, code, "there is no program name", "the command is empty");
  }
  return decideOnWords(typed, args, request);
}

function refused(line: ByteString, exitStatus: number, code: string, why: string, shown: string): Refused {
  const reason = `tried to run ${logged(line)}, not allowed: ${why}`;
  return { allowed: false, exitStatus, code, reason, shown };
}

type Refuse = (exitStatus: number, code: RefusalCode, why: string, shown?: string) => Refused;

/** The decision of the key `allow`; undefined if none of its words is about the program. */
function decideGranted(
  typed: ByteString,
  args: readonly ByteString[],
  { policy, home, files }: CommandRequest,
  refuse: Refuse,
): Decision | undefined {
  const { allow, paths, read, write } = policy;
  if (allow === undefined) return undefined;
  const isFile = (path: ByteString) => files.isRegularFile(path);
  const found = judgeAllowed(typed, args, { allow, paths, read, write, home }, isFile);
  if (found === undefined) return undefined;
  if ("missing" in found && found.missing) {
    const shown = `command ${forUser(typed)} is not installed here`;
    return refuse(NOT_FOUND, "not-found", "the program of the key allow is not in the jail", shown);
  }
  const fault = (why: string) =>
    refuse(
      NOT_ALLOWED,
      "not-granted",
      `${why} (key allow)`,
      `${forUser(typed)} is not allowed like this: ${why}`,
    );
  if ("missing" in found) return fault(found.reason);
  const recognised = recognise(found.path, files);
  // Also with allow_spawn_options, which is for the key executables.
  const spawns = refusalOf(recognised, found.args, files);
  if (spawns !== undefined) return fault(spawns);
  const argv = [found.path, ...found.args];
  return { allowed: true, path: found.path, argv, programs: recognised.rows, granted: found };
}

function decideOnWords(typed: ByteString, args: readonly ByteString[], request: CommandRequest): Decision {
  const { policy, files } = request;
  const { executables = [], paths } = policy;
  const joined = [typed, ...args].join(" ");
  const refuse: Refuse = (exitStatus, code, why, shown = `command ${forUser(typed)} is not allowed`) =>
    refused(joined, exitStatus, code, why, shown);
  const granted = decideGranted(typed, args, request, refuse);
  if (granted !== undefined) return granted;
  if (executables.length === 0 && policy.allow === undefined) {
    const shown = "no command is allowed here";
    return refuse(NO_EXECUTABLES, "no-executables", "the section has no key executables", shown);
  }

  if (executables.length === 0)
    return refuse(NOT_ALLOWED, "not-allowed", "no word of the key allow is about it");

  const located = findProgram(typed, paths, files);
  const path = executables.includes(located) ? located : (sftpServer(typed, executables, files) ?? located);
  if (!executables.includes(path)) {
    return refuse(NOT_ALLOWED, "not-allowed", whyNotListed(typed, located));
  }
  if (!path.startsWith("/")) {
    // It would depend on the working directory.
    const why = `${forUser(path)} in executables does not begin with '/'`;
    return refuse(NOT_ALLOWED, "relative-executable", why);
  }
  if (!files.isRegularFile(path)) {
    const shown = `command ${forUser(typed)} is not installed here`;
    return refuse(NOT_FOUND, "not-found", `there is no regular file ${forUser(path)} in the jail`, shown);
  }
  const recognised = recognise(path, files);
  const spawns = policy.allowSpawnOptions ? undefined : refusalOf(recognised, args, files);
  if (spawns !== undefined) {
    const shown = `${forUser(typed)} is not allowed like this: ${spawns}`;
    return refuse(NOT_ALLOWED, "spawn-option", `${spawns} (allow_spawn_options = 1 permits it)`, shown);
  }
  return { allowed: true, path, argv: [path, ...args], programs: recognised.rows, granted: undefined };
}

/** The first regular file: the word itself if it is absolute, then the word below each of `paths`. */
function findProgram(word: ByteString, paths: readonly ByteString[], files: FileView): ByteString {
  if (word.startsWith("/") && files.isRegularFile(word)) return word;
  for (const directory of paths) {
    const path = directory.endsWith("/") ? directory + word : `${directory}/${word}`;
    if (files.isRegularFile(path)) return path;
  }
  return word;
}

/** sshd(8) knows `internal-sftp` as a command; in a jail it means the sftp-server, with the same options. */
function sftpServer(
  word: ByteString,
  executables: readonly ByteString[],
  files: FileView,
): ByteString | undefined {
  if (word !== "internal-sftp") return undefined;
  return executables.find((path) => path.endsWith("/sftp-server") && files.isRegularFile(path));
}

function whyNotListed(typed: ByteString, located: ByteString): string {
  if (located !== typed) return `${forUser(located)} is not in executables`;
  if (typed === "internal-sftp") return "no sftp-server that is in the jail is in executables";
  if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(typed)) return "assignments before a command have no meaning here";
  if (typed.startsWith("/")) return `${forUser(typed)} is not in executables`;
  return `${forUser(typed)} was not found in paths, and is not in executables`;
}

function shorten(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}...` : text;
}

/** A command line for the log: quoted, printable and shortened. */
export function logged(text: ByteString): string {
  return `'${shorten(display(text), LONGEST_LOGGED)}'`;
}

/** The same for a message to the user. */
function forUser(text: ByteString): string {
  return `'${shorten(display(text), LONGEST_SHOWN)}'`;
}
