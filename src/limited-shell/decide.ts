import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { Program } from "../programs/program.ts";
import { recognise, refusalOf } from "../programs/recognise.ts";
import { expandWords } from "./expand.ts";
import type { FileView } from "./file-view.ts";
import { EXIT_NO_EXECUTABLES, EXIT_NOT_ALLOWED, EXIT_NOT_FOUND, type LshPolicy } from "./policy.ts";
import { WORDS_EXIT_STATUS } from "./refusal.ts";
import type { RefusalCode } from "./refusal-codes.ts";
import { splitWords } from "./split.ts";

/** What a decision depends on, all of it: nothing else is looked at. */
interface CommandRequest {
  /** The argument of `-c`. */
  commandLine: ByteString;
  policy: LshPolicy;
  /** The environment that the command would get; expansion reads it. */
  environment: ReadonlyMap<ByteString, ByteString>;
  /** The user's home directory, for `~` where HOME is unset. */
  home: ByteString;
  files: FileView;
}

/** The command may run: exactly this file with exactly this argument vector. */
interface Allowed {
  allowed: true;
  path: ByteString;
  /** argv[0] is `path`, as in jailkit 2.23. */
  argv: ByteString[];
  /** Which program it is, as far as that is known: what it may have of the environment. */
  programs: readonly Program[];
}

/** The command may not run. Both texts are printable and one line long. */
interface Refused {
  allowed: false;
  exitStatus: number;
  /** A stable name for programs, for example "not-allowed". */
  code: string;
  /** For the log: everything. */
  reason: string;
  /** For the user: what was refused, and nothing that the user does not know. */
  shown: string;
}

export type Decision = Allowed | Refused;

// A log line or a terminal is no place for a command line of 128 KB.
const LONGEST_LOGGED = 1024;
const LONGEST_SHOWN = 160;

/**
 * Decides whether a command line may run, on the argument vector that comes out of splitting or expansion, and
 * which file and arguments that means. Never throws for what the user typed.
 *
 * In order: the words (exit status 6 where there are none or they cannot be formed), the file (`paths`), the key
 * `executables` (5 where missing or empty), the exact comparison with it (4), whether the file is there (127), and
 * options that start other programs (4).
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
    return {
      allowed: false,
      exitStatus: error.exitStatus,
      code: error.code,
      reason: `tried to run ${logged(commandLine)}, not allowed: ${shorten(error.message, LONGEST_LOGGED)}`,
      shown: shorten(error.message, LONGEST_SHOWN),
    };
  }
  const [typed, ...args] = words;
  if (typed === undefined || typed === "") return refuseEmpty(commandLine);
  return decideOnWords(typed, args, policy, files);
}

function refuseEmpty(commandLine: ByteString): Refused {
  return {
    allowed: false,
    exitStatus: WORDS_EXIT_STATUS,
    code: "empty-command",
    reason: `tried to run ${logged(commandLine)}, not allowed: there is no program name`,
    shown: "the command is empty",
  };
}

function decideOnWords(
  typed: ByteString,
  args: readonly ByteString[],
  policy: LshPolicy,
  files: FileView,
): Decision {
  const { executables = [], paths } = policy;
  const joined = [typed, ...args].join(" ");
  const refuse = (exitStatus: number, code: RefusalCode, why: string, shown?: string): Refused => ({
    allowed: false,
    exitStatus,
    code,
    reason: `tried to run ${logged(joined)}, not allowed: ${why}`,
    shown: shown ?? `command ${told(typed)} is not allowed`,
  });
  if (executables.length === 0) {
    const shown = "no command is allowed here";
    return refuse(EXIT_NO_EXECUTABLES, "no-executables", "the section has no key executables", shown);
  }

  const located = findProgram(typed, paths, files);
  const path = executables.includes(located) ? located : (sftpServer(typed, executables, files) ?? located);
  if (!executables.includes(path)) {
    return refuse(EXIT_NOT_ALLOWED, "not-allowed", whyNotListed(typed, located));
  }
  if (!path.startsWith("/")) {
    // It would be started from whatever directory the user is in.
    const why = `${told(path)} in executables does not begin with '/'`;
    return refuse(EXIT_NOT_ALLOWED, "relative-executable", why);
  }
  if (!files.isRegularFile(path)) {
    const shown = `command ${told(typed)} is not installed here`;
    return refuse(EXIT_NOT_FOUND, "not-found", `there is no regular file ${told(path)} in the jail`, shown);
  }
  const program = recognise(path, files);
  const spawns = policy.allowSpawnOptions ? undefined : refusalOf(program, args, files);
  if (spawns !== undefined) {
    const shown = `${told(typed)} is not allowed like this: ${spawns}`;
    return refuse(EXIT_NOT_ALLOWED, "spawn-option", `${spawns} (allow_spawn_options = 1 permits it)`, shown);
  }
  return { allowed: true, path, argv: [path, ...args], programs: program.rows };
}

/** The first regular file among the word itself, where it is absolute, and the word below each of `paths`. */
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
  if (located !== typed) return `${told(located)} is not in executables`;
  if (typed === "internal-sftp") return "no sftp-server that is in the jail is in executables";
  if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(typed)) return "assignments before a command have no meaning here";
  if (typed.startsWith("/")) return `${told(typed)} is not in executables`;
  return `${told(typed)} was not found in paths, and is not in executables`;
}

function shorten(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}...` : text;
}

/** A command line in quotes, printable, and not too long for a log line that says more. */
export function logged(text: ByteString): string {
  return `'${shorten(display(text), LONGEST_LOGGED)}'`;
}

function told(text: ByteString): string {
  return `'${shorten(display(text), LONGEST_SHOWN)}'`;
}
