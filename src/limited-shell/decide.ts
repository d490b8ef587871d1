import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { LshSection } from "../config/schemas/lsh.ts";
import { type AllowedCommand, judgeAllowed } from "../known-programs/allow/table.ts";
import type { Program } from "../known-programs/program.ts";
import { recognise, refusalOf } from "../known-programs/recognise.ts";
import { createBudget, DEFAULT_LIMITS } from "./budget.ts";
import { type CommandPattern, literalsOf, mismatch } from "./command-pattern.ts";
import { expandWords } from "./expand.ts";
import type { FileView } from "./files.ts";
import { findProgram, isFor } from "./programs.ts";
import { type RefusalCode, WORDS_EXIT_STATUS, WordError } from "./refusal.ts";
import { splitWords } from "./split.ts";

// Exit statuses of a refusal, as in jailkit 2.23.
const NOT_ALLOWED = 4;
const NO_EXECUTABLES = 5;
const NOT_FOUND = 127;

/** The keys of a section of jk_lsh.ini that a decision depends on, as allowedPrograms completes them. */
export type LshPolicy = Pick<
  LshSection,
  "executables" | "paths" | "allowWordExpansion" | "allowSpawnOptions"
> &
  Partial<Pick<LshSection, "allow" | "read" | "write">> & {
    /** The keys `command`; with one or more, the command has to match one. */
    patterns?: readonly CommandPattern[];
  };

interface CommandRequest {
  /** The argument of -c, or the key `force`. */
  commandLine: ByteString;
  /** It is the key `force`: no pattern has to match, and nothing is expanded, because the client knows variables. */
  forced?: boolean;
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
  granted: AllowedCommand | undefined;
  /** The name of the pattern that matched; undefined for none. */
  pattern: ByteString | undefined;
}

/** The command may not run. Both texts are printable and one line long. */
interface Refused {
  allowed: false;
  exitStatus: number;
  /** A stable name for programs: a RefusalCode, or that of a WordError. */
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
 * comparison with it (4), and whether the file exists (127); then the patterns of the keys `command` (4; 6 if they take too
 * long), and options that start other programs (4).
 */
export function decide(request: CommandRequest): Decision {
  const { commandLine, forced = false, policy, environment, home, files } = request;
  const { patterns = [] } = policy;
  try {
    const [typed, ...args] =
      policy.allowWordExpansion && !forced
        ? expandWords(commandLine, { environment, home, files })
        : splitWords(commandLine);
    if (typed === undefined || typed === "") {
      const code: RefusalCode = "empty-command";
      return refused(
        commandLine,
        WORDS_EXIT_STATUS,
        code,
        "there is no program name",
        "the command is empty",
      );
    }
    return decideOnWords(typed, args, {
      ...request,
      policy: { ...policy, patterns: forced ? [] : patterns },
    });
  } catch (error) {
    if (!(error instanceof JailkitError)) throw error;
    const { exitStatus, message } = error;
    const code = error instanceof WordError ? error.what : error.code;
    const shown = shorten(message, LONGEST_SHOWN);
    return refused(commandLine, exitStatus, code, shorten(message, LONGEST_LOGGED), shown);
  }
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
  request: CommandRequest,
  refuse: Refuse,
): Decision | undefined {
  const { home, files } = request;
  const { allow, paths, read, write } = request.policy;
  if (allow === undefined) return undefined;
  const found = judgeAllowed(typed, args, { allow, paths, read, write, home }, files.isRegularFile);
  if (found === undefined) return undefined;
  if (!("missing" in found)) return decideOnArguments(typed, found.path, args, found, request, refuse);
  if (found.missing) {
    const shown = `command ${forUser(typed)} is not installed here`;
    return refuse(NOT_FOUND, "not-found", "the program of the key allow is not in the jail", shown);
  }
  const shown = `${forUser(typed)} is not allowed like this: ${found.reason}`;
  return refuse(NOT_ALLOWED, "not-granted", `${found.reason} (key allow)`, shown);
}

/** Why a section without programs allows none. */
function whyNoPrograms({ forced, policy: { patterns = [] } }: CommandRequest): string {
  if (forced) return "the program of the key force was not found";
  return patterns.length === 0 ? "the section has no key executables" : "no program of a pattern was found";
}

function decideOnWords(typed: ByteString, args: readonly ByteString[], request: CommandRequest): Decision {
  const { policy, files } = request;
  const { executables = [], paths, allow } = policy;
  const joined = [typed, ...args].join(" ");
  const refuse: Refuse = (exitStatus, code, why, shown = `command ${forUser(typed)} is not allowed`) =>
    refused(joined, exitStatus, code, why, shown);
  const granted = decideGranted(typed, args, request, refuse);
  if (granted !== undefined) return granted;
  if (executables.length === 0 && allow !== undefined) {
    return refuse(
      NOT_ALLOWED,
      "not-allowed",
      "no word of the key allow is about it",
      hintForScp(typed, policy),
    );
  }
  if (executables.length === 0) {
    const shown = "no command is allowed here";
    return refuse(NO_EXECUTABLES, "no-executables", whyNoPrograms(request), shown);
  }

  const located = findProgram(typed, paths, files.isRegularFile);
  const path = executables.includes(located) ? located : (sftpServer(typed, executables, files) ?? located);
  if (!executables.includes(path)) {
    const hint = hintForScp(path, policy);
    const why = `${whyNotListed(typed, located)}${hint === undefined ? "" : `; ${hint}`}`;
    return refuse(NOT_ALLOWED, "not-allowed", why, hint);
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
  return decideOnArguments(typed, path, args, undefined, request, refuse);
}

/** The decision about the arguments of a program that may run. `granted`: the key `allow` allows it, as it says there. */
function decideOnArguments(
  typed: ByteString,
  path: ByteString,
  args: readonly ByteString[],
  granted: AllowedCommand | undefined,
  { policy, files }: CommandRequest,
  refuse: Refuse,
): Decision {
  // What the client sent: a word of `allow` may add arguments.
  const chosen = choosePattern(path, args, policy, files);
  if (chosen.why !== undefined) {
    const shown = `${forUser(typed)} is not allowed with these arguments`;
    return refuse(NOT_ALLOWED, "no-pattern", chosen.why, shown);
  }
  const recognised = recognise(path, files);
  const argv = [path, ...(granted?.args ?? args)];
  const mayStart = policy.allowSpawnOptions && granted === undefined;
  const spawns = mayStart ? undefined : refusalOf(recognised, argv.slice(1), files);
  if (spawns !== undefined) {
    const shown = `${forUser(typed)} is not allowed like this: ${spawns}`;
    const permit = granted === undefined ? " (allow_spawn_options = 1 permits it)" : "";
    return refuse(NOT_ALLOWED, "spawn-option", `${spawns}${permit}`, shown);
  }
  return { allowed: true, path, argv, programs: recognised.rows, pattern: chosen.pattern, granted };
}

/**
 * The first pattern that a command matches; without patterns there is nothing to match. Otherwise the reason, with the
 * pattern that fails last. Throws a JailkitError if the patterns take too long.
 */
function choosePattern(
  path: ByteString,
  args: readonly ByteString[],
  { patterns = [], paths }: LshPolicy,
  files: FileView,
): { pattern: ByteString | undefined; why?: string } {
  if (patterns.length === 0) return { pattern: undefined };
  const budget = createBudget(DEFAULT_LIMITS, "the comparison with patterns");
  const literals = literalsOf(args);
  let nearest: { at: number; why: string } | undefined;
  for (const pattern of patterns) {
    if (!isFor(pattern, path, paths, files.isRegularFile)) continue;
    const failed = mismatch(pattern, args, budget, literals);
    if (failed === undefined) return { pattern: pattern.name };
    if (nearest !== undefined && nearest.at >= failed.at) continue;
    nearest = { at: failed.at, why: `the nearest pattern is command ${pattern.name}: ${failed.why}` };
  }
  return { pattern: undefined, why: nearest?.why ?? `no pattern is for ${forUser(path)}` };
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

/**
 * What the user of a client of sftp, which scp is too, should know where only the older protocol of scp is allowed. sshd
 * discards what a subsystem writes to standard error, so that most see it in the log alone.
 */
function hintForScp(path: ByteString, { executables = [], allow = [] }: LshPolicy): string | undefined {
  if (!isNamed(path, "sftp-server") && path !== "internal-sftp") return undefined;
  const scp = executables.some((one) => isNamed(one, "scp")) || allow.some((word) => word.startsWith("scp"));
  return scp ? "sftp is not allowed; scp works with its option -O" : undefined;
}

const isNamed = (path: ByteString, name: string) => path.endsWith(`/${name}`);

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
