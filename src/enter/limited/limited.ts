import type { ByteString } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { variable } from "../../../ffi/guard.ts";
import { display } from "../../cli/display.ts";
import { describeError, JailkitError } from "../../cli/error.ts";
import type { Advice } from "../../cli/remedy.ts";
import { fixText } from "../../config/fixes.ts";
import { readKeys } from "../../config/keys.ts";
import { logFormatOf } from "../../config/log-format.ts";
import { type IniFile, type IniSection, type Problem, problemLine } from "../../config/model.ts";
import { memberBy, selectSection, soughtSections, unknownGroup } from "../../config/scan.ts";
import { confineProblem } from "../../config/schemas/confine.ts";
import { type LshSection, lshKeys } from "../../config/schemas/lsh.ts";
import type { ExecuteScope } from "../../confine/directories.ts";
import { startsLimits } from "../../confine/execute.ts";
import { type Confinement, confinementOf } from "../../confine/policy.ts";
import type { AllowName } from "../../known-programs/allow/table.ts";
import { programEnvironment } from "../../known-programs/environment.ts";
import { startsOf } from "../../known-programs/recognise.ts";
import { type CommandPattern, readCommands } from "../../limited-shell/command-pattern.ts";
import { decide } from "../../limited-shell/decide.ts";
import { commandEnvironment, setOriginalCommand } from "../../limited-shell/environment.ts";
import type { FileView } from "../../limited-shell/files.ts";
import { allowedPrograms } from "../../limited-shell/programs.ts";
import type { RefusalCode } from "../../limited-shell/refusal.ts";
import type { Group, PasswdEntry } from "../../system/accounts.ts";
import type { Known } from "../audit-event.ts";
import type { Note } from "../checks.ts";
import { Refusal } from "../refusal.ts";
import { executeLimits, startsAnyProgram } from "./execution.ts";
import { grantedValues } from "./granted.ts";

/** The configuration of the limited shell. */
export const LIMITED_CONFIG_FILE = "/etc/jailkit/jk_lsh.ini";

/** All that the limited shell decides by. */
export interface LimitedRequest {
  /** With argv[0]. */
  argv: readonly ByteString[];
  /** The caller's environment, "NAME=value". */
  environment: readonly ByteString[];
  /** The real ids. */
  uid: number;
  gid: number;
  /** The supplementary groups of the session. */
  groups: () => readonly number[];
  accounts: {
    userByName: (name: ByteString) => PasswdEntry | undefined;
    userByUid: (uid: number) => PasswdEntry | undefined;
    groupByGid: (gid: number) => Group | undefined;
    groupByName: (name: ByteString) => Group | undefined;
  };
  /** Loads LIMITED_CONFIG_FILE; undefined if it is missing. Throws if it cannot be used. */
  loadConfig: () => IniFile | undefined;
  files: FileView;
  /** Whether files in one of the named directories may be executed: see someNamedCounts. */
  someNamedCounts: (scope: ExecuteScope) => boolean;
  /** Called with what is known of the caller, as soon as it is known. */
  learn?: (known: Known) => void;
}

/** The decision of the limited shell. */
export type LimitedPlan =
  | {
      allowed: true;
      user: PasswdEntry;
      section: ByteString;
      path: ByteString;
      argv: ByteString[];
      /**
       * The pattern and the word of `allow` that allowed it, and what the client asked for (maybe nothing) where the key
       * `force` has it.
       */
      by: {
        pattern: ByteString | undefined;
        word: AllowName | undefined;
        forced: { asked: ByteString | undefined } | undefined;
      };
      environment: ByteString[];
      /** Undefined: unchanged. */
      umask: number | undefined;
      confinement: Confinement;
      /** The only programs that a known server may execute; undefined for no limit. */
      starts: readonly ByteString[] | undefined;
      notes: Note[];
    }
  | {
      allowed: false;
      exitStatus: number;
      /** A stable name for programs. */
      code: string;
      /** For the log. */
      reason: ByteString;
      /** For the user, one line. */
      shown: ByteString;
      /** How to change the settings; undefined if the command alone is refused. */
      advice?: Advice;
      notes: Note[];
    };

const stop = (exitStatus: number, code: RefusalCode, reason: ByteString, shown: string, advice?: Advice) =>
  new Refusal(code, exitStatus, reason, shown, advice);

function userOf(request: LimitedRequest): PasswdEntry {
  const { accounts, uid } = request;
  const name = variable("USER", request.environment);
  const unknown = (reason: ByteString) => stop(2, "unknown-user", reason, "the account is not known");
  const entry = name ? accounts.userByName(name) : accounts.userByUid(uid);
  if (entry === undefined) {
    throw unknown(`cannot find user info for ${name ? `USER ${name}` : `uid ${uid}`}`);
  }
  if (entry.uid === uid) return entry;
  throw unknown(`abort, running as UID ${uid}, but environment variable USER ${name} has UID ${entry.uid}`);
}

function groupOf({ gid, accounts }: LimitedRequest): Group {
  const group = accounts.groupByGid(gid);
  if (group !== undefined && group.name !== "") return group;
  const reason = `cannot find group name for gid ${gid}`;
  throw stop(3, "unknown-group", reason, "the group of the account is not known");
}

/** The last argument, if the one before it is "-c"; others are ignored. Undefined for an interactive session. */
function commandLineOf({ argv }: LimitedRequest): ByteString | undefined {
  const line = argv[argv.length - 1];
  if (argv.length >= 3 && argv[argv.length - 2] === "-c" && line !== undefined) return line;
  return undefined;
}

function interactive({ argv }: LimitedRequest, user: PasswdEntry): Refusal {
  const what = `user ${user.name} (${user.uid}) tried to get an interactive shell session (${argv.join(" ")})`;
  const shown = "this account has no interactive shell; it runs single commands";
  return stop(7, "interactive", `WARNING: ${what}, which is never allowed by jk_lsh`, shown);
}

/** The policy of an account. */
export interface LimitedPolicy {
  section: ByteString;
  /** The file that it is in, which may be a drop-in. */
  file: ByteString;
  /** With `executables` and `paths` as allowedPrograms completes them. */
  values: LshSection;
  /** The section has the key `executables`. */
  listed: boolean;
  /** The keys `command`. */
  patterns: readonly CommandPattern[];
  /** Groups that are not known here, of sections [member GROUP] before the one that applies. */
  passedOver: readonly ByteString[];
  notes: Note[];
}

const UNCONFIGURED = "there is no configuration for this account";

function policyOf(request: LimitedRequest, user: PasswdEntry, group: Group): LimitedPolicy {
  const unusable = (reason: ByteString, advice?: Advice) =>
    stop(1, "config-invalid", `abort, ${reason}`, "the configuration cannot be used", advice);
  const passedOver: ByteString[] = [];
  const isMember = memberBy(
    () => [request.gid, ...request.groups()],
    request.accounts.groupByName,
    (name) => passedOver.push(name),
  );
  let ini: IniFile | undefined;
  let section: IniSection | undefined;
  try {
    ini = request.loadConfig();
    section = ini && selectSection(ini, user.name, group.name, isMember);
  } catch (error) {
    if (error instanceof JailkitError) throw unusable(error.message, error.remedy);
    // A name service did not answer: the next section might allow more.
    if (error instanceof SystemError) throw unusable(describeError(error));
    throw error;
  }
  if (ini === undefined) {
    const reason = `configfile ${LIMITED_CONFIG_FILE} is not available`;
    throw stop(1, "config-missing", reason, UNCONFIGURED);
  }
  if (section === undefined) {
    const names = soughtSections(user.name, group.name);
    let reason = `did neither find a section ${names} in configfile ${LIMITED_CONFIG_FILE}`;
    for (const name of passedOver) reason += `; ${unknownGroup(name)}`;
    throw stop(3, "no-section", reason, UNCONFIGURED);
  }
  request.learn?.({ section: section.name, file: section.file });
  const values = readKeys(section, lshKeys);
  const { patterns, problems: bad } = readCommands(section, values);
  const problems = [...ini.problems, ...values.problems, ...bad];
  const contradiction = confineProblem(section, values);
  if (contradiction !== undefined) problems.push(contradiction);
  if (section.name !== "DEFAULT") problems.push(...logFormatOf(ini, lshKeys).problems);
  const line = (problem: Problem) => problemLine(problem, display(problem.file));
  const notes: Note[] = [];
  for (const problem of problems) {
    if (problem.severity === "error") throw unusable(line(problem), fixText(problem, ini) ?? "");
    notes.push({ severity: "warning", message: line(problem) });
  }
  const programs = allowedPrograms(values, patterns, request.files.isRegularFile);
  const listed = values.executables !== undefined;
  const { name, file } = section;
  return { section: name, file, values: { ...values, ...programs }, listed, patterns, passedOver, notes };
}

/** The policy of the caller, or why there is none, for explanations. */
export function limitedPolicy(request: LimitedRequest): LimitedPolicy | Refusal {
  try {
    return policyOf(request, userOf(request), groupOf(request));
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

/**
 * Decides what the limited shell does, in the order of jailkit 2.23: the caller (2), the group (3), the command (7), the
 * configuration (1, 3), and whether the command is allowed (4, 5, 6, 127). The numbers are exit statuses.
 */
export function planLimited(request: LimitedRequest): LimitedPlan {
  try {
    const user = userOf(request);
    const group = groupOf(request);
    request.learn?.({ user: { id: user.uid, name: user.name }, group: { id: group.gid, name: group.name } });
    const asked = commandLineOf(request);
    return planCommand(request, user, asked, policyFor(request, user, group, asked));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { exitStatus, check: code, reason, shown, advice } = error;
    return { allowed: false, exitStatus, code, reason, shown, advice, notes: [] };
  }
}

/** The policy for a command; an interactive session needs one with `force`. */
function policyFor(
  request: LimitedRequest,
  user: PasswdEntry,
  group: Group,
  asked: ByteString | undefined,
): LimitedPolicy {
  if (asked !== undefined) return policyOf(request, user, group);
  try {
    const policy = policyOf(request, user, group);
    if (policy.values.force !== undefined) return policy;
  } catch (error) {
    // As in jailkit 2.23, the missing command comes before the configuration.
    if (!(error instanceof Refusal)) throw error;
  }
  throw interactive(request, user);
}

function planCommand(
  request: LimitedRequest,
  user: PasswdEntry,
  asked: ByteString | undefined,
  { section, values: own, patterns, passedOver, notes }: LimitedPolicy,
): LimitedPlan {
  for (const name of passedOver) notes.push({ severity: "warning", message: unknownGroup(name) });
  const { variables, findings } = commandEnvironment(request.environment, own.environment, own.env);
  for (const message of findings) notes.push({ severity: "warning", message });
  const { force } = own;
  const forced = force !== undefined;
  if (forced) setOriginalCommand(variables, asked);
  const { files } = request;
  const { home } = user;
  const commandLine = force ?? asked ?? "";
  const policy = { ...own, patterns };
  const decision = decide({ commandLine, forced, policy, environment: variables, home, files });
  if (!decision.allowed) {
    const reason = `WARNING: user ${user.name} (${user.uid}) ${decision.reason}, according to ${LIMITED_CONFIG_FILE}`;
    return { ...decision, reason, notes };
  }
  const { path, argv, programs, pattern, granted } = decision;
  const values = granted === undefined ? own : grantedValues(own, path, granted);
  const given = values.allowSpawnOptions
    ? variables
    : programEnvironment(programs, variables, values.environment);
  const temporary = granted?.temporary;
  if (temporary !== undefined) given.set("TMPDIR", temporary);
  const environment: ByteString[] = [];
  for (const [name, value] of given) environment.push(`${name}=${value}`);
  const { umask } = values;
  const starts = startsAnyProgram(values, home, request) ? undefined : startsOf(programs);
  const execute =
    starts === undefined || starts.length === 0
      ? executeLimits(values, home)
      : startsLimits(path, starts, home);
  const confinement = confinementOf(values, true, execute, home);
  const by = { pattern, word: granted?.word, forced: forced ? { asked } : undefined };
  return {
    ...{ allowed: true, user, section, path, argv, by, environment, umask },
    ...{ confinement, starts, notes },
  };
}
