import type { ByteString } from "../../ffi/bytes.ts";
import { holdingSignals } from "../../ffi/interrupts.ts";
import { display, jsonText, quoted } from "../cli/display.ts";
import { describeError, JailkitError, UsageError } from "../cli/error.ts";
import { ask, confirm } from "../cli/input.ts";
import { stopIfInterrupted } from "../cli/interrupt.ts";
import { jailBeforeUsers } from "../cli/jail-operand.ts";
import { DRY_RUN_WITHOUT_LETTER, JSON_OUTPUT, jailOption, VERBOSE } from "../cli/options.ts";
import { printError, printJson, printLine } from "../cli/output.ts";
import { startProgress } from "../cli/progress.ts";
import { jsonTextOrNull } from "../cli/report.ts";
import { requireRoot } from "../cli/root.ts";
import { shellWord } from "../cli/shell-word.ts";
import { startTool } from "../cli/start.ts";
import { defineTool } from "../cli/tool.ts";
import { homeFault } from "../explain/home-fault.ts";
import { closedDirectory } from "../explain/readable.ts";
import { splitHome } from "../jail/accounts/separator.ts";
import { noRoom } from "../jail/fs/no-room.ts";
import { closeJailRoot, type JailRoot, openTree } from "../jail/fs/walk.ts";
import { missingPython } from "../libraries/python.ts";
import { userHint } from "../system/account-names.ts";
import { groupIdsOf, type PasswdEntry, passwdByName } from "../system/accounts.ts";
import { ACCESS_OPTIONS, readAccess } from "../users/access.ts";
import { recordedShell } from "../users/account-record.ts";
import type { Reporter } from "../users/change-account.ts";
import { removeJailSide, writeJailSide } from "../users/jail-side.ts";
import {
  groupsOf,
  type JailingOptions,
  jailUser,
  planFor,
  type UserOutcome,
  warnOfLogin,
} from "../users/jailing.ts";
import { BAD_JAIL, LIMITED_SHELL, openJailForUsers } from "../users/open-jail.ts";
import type { JailedUserReport, JailUserReport } from "../users/report-schema.ts";
import { unjailUser } from "../users/unjail.ts";

const NAME = "jk_jailuser";

function reporter(verbose: boolean, outcome: UserOutcome): Reporter {
  const progress = startProgress(`${NAME}: copying the home`);
  return {
    done(line) {
      progress.clear();
      outcome.steps.push(line);
      if (verbose) printLine(line);
    },
    warn(line) {
      progress.clear();
      outcome.warnings.push(line);
      printError(`${NAME}: warning: ${line}`);
    },
    progress: progress.at,
  };
}

/** Opens the jail that was named, or asks for one until there is one that will do. */
function findJail(given: ByteString | undefined, shell: ByteString, interactive: boolean): JailRoot {
  let path = given;
  for (;;) {
    try {
      if (path === undefined) throw new JailkitError("no-jail", BAD_JAIL, "no jail was named: use -j JAIL");
      return openJailForUsers(path, shell);
    } catch (error) {
      if (!interactive) throw error;
      printError(`${NAME}: ${describeError(error)}`);
      path = ask("enter jail directory: ");
      if (path === undefined) throw new JailkitError("no-jail", 1, "no jail was named");
    }
  }
}

function outcomeFor(name: ByteString): UserOutcome {
  return {
    name,
    status: "failed",
    home: undefined,
    shell: undefined,
    steps: [],
    warnings: [],
    error: undefined,
  };
}

function jsonOf(outcome: UserOutcome): JailedUserReport {
  return {
    user: jsonText(outcome.name),
    status: outcome.status,
    home: jsonTextOrNull(outcome.home),
    shell: jsonTextOrNull(outcome.shell),
    steps: outcome.steps.map(jsonText),
    warnings: outcome.warnings.map(jsonText),
    error: jsonTextOrNull(outcome.error),
  };
}

export const tool = defineTool({
  name: NAME,
  summary: "Put user accounts into a jail, or take them out again.",
  synopsis: [
    "[-mnv] [-s SHELL] -j JAIL USER...",
    "[-mnv] [-s SHELL] JAIL USER...",
    "[-mv] [-s SHELL] --unjail USER...",
    "[-v] [-s SHELL] --jail-side-only [--unjail] -j JAIL USER...",
  ],
  options: {
    jail: jailOption("the jail; asked for where it is not given. As an operand it has a slash in it"),
    shell: {
      short: "s",
      value: "SHELL",
      description: `the account's shell in the jail (default ${LIMITED_SHELL}); with --unjail the one on the host`,
    },
    ...ACCESS_OPTIONS,
    move: { short: "m", description: "move the home directory into the jail, or out of it" },
    noninteractive: {
      short: "n",
      description: "ask nothing; without -m the home is not moved (not a dry run: that has no letter here)",
    },
    nomove: { hidden: true, description: "understood and ignored, as in jailkit 2" },
    unjail: { description: "take the accounts out of their jail" },
    jailSideOnly: {
      description:
        "change nothing but the jail's etc/passwd and etc/group: they say of the accounts what the host says, or with --unjail nothing more",
    },
    dryRun: DRY_RUN_WITHOUT_LETTER,
    json: JSON_OUTPUT,
    verbose: VERBOSE,
  },
  exitStatus: {
    0: "all accounts are as asked",
    1: "some are not; the message says which and why, and those are as they were",
    2: "no user was named, or the jail's account files cannot be written",
    5: "not run as root",
    33: "the jail or the shell in it will not do",
  },
  run({ options, operands }) {
    const { jail, rest: names } = jailBeforeUsers(options.jail, operands, 1);
    if (names.length === 0) throw new UsageError("no user was named", 2);
    requireRoot();
    const aside = options.jailSideOnly;
    if (aside && (options.move || jail === undefined)) {
      throw new UsageError("--jail-side-only needs -j JAIL, and moves no home", 2);
    }
    const { groups, authorizedKey, policy } = options;
    if ((options.unjail || aside) && groups.length + authorizedKey.length + policy.length > 0) {
      const without = aside ? "--jail-side-only" : "--unjail";
      throw new UsageError(
        `--groups, --authorized-key and --policy give something to accounts in a jail: not with ${without}`,
      );
    }
    const access = readAccess(options, missingPython);
    const quiet = options.noninteractive || options.json || options.dryRun || options.unjail || aside;
    // What comes from standard input is keys, and no answers.
    const interactive = !quiet && !authorizedKey.includes("-");
    const shell = options.shell ?? LIMITED_SHELL;
    const root = options.unjail && !aside ? undefined : findJail(jail, shell, interactive);
    const host = openTree("/");
    const joins = access.joins.map(({ gid }) => gid);
    const outcomes: UserOutcome[] = [];
    try {
      const requests: JailingOptions = {
        host,
        root,
        jail,
        shell: options.shell,
        access,
        dryRun: options.dryRun,
        move: options.move,
      };
      // All are decided on before the first is changed.
      const planned = names.map((name) => {
        const outcome = outcomeFor(name);
        outcomes.push(outcome);
        const how = aside ? decideJailSide(options.unjail) : decide;
        return { outcome, ...how(name, outcome, requests, interactive) };
      });
      const refused = planned.some(({ known, plan }) => known !== undefined && plan === undefined);
      let stopped = false;
      for (const { outcome, known, plan } of planned) {
        if (plan === undefined) continue;
        const report = reporter((options.verbose || options.dryRun) && !options.json, outcome);
        if (refused || stopped) {
          outcome.status = "not-done";
          continue;
        }
        stopped = carryOut(plan, outcome, report, jailOf(root, known)) === "stopped";
        if (outcome.error === undefined && known !== undefined && !options.unjail && !aside)
          warnOfLogin(known, report.warn, access);
        if (root !== undefined && known !== undefined && outcome.error === undefined)
          warnOfClosed(root, known, joins, report.warn);
        if (root !== undefined && known !== undefined && outcome.error === undefined && !aside)
          warnOfHome(known, outcome, options.dryRun ? joins : undefined, report.warn);
      }
    } finally {
      if (root !== undefined) closeJailRoot(root);
      closeJailRoot(host);
    }
    if (options.json) {
      printJson({
        version: 1,
        tool: NAME,
        dryRun: options.dryRun,
        jail: jsonTextOrNull(root?.path),
        users: outcomes.map(jsonOf),
      } satisfies JailUserReport);
    }
    const good = outcomes.every(
      ({ status }) => status === "done" || status === "unchanged" || status === "planned",
    );
    return good ? 0 : (outcomes.find((outcome) => outcome.exitStatus)?.exitStatus ?? 1);
  },
});

type Plan = (report: Reporter) => void;

/** Finds the account and decides what is to be done; what is refused is told, and stands in `outcome`. */
function decide(
  name: ByteString,
  outcome: UserOutcome,
  request: JailingOptions,
  interactive: boolean,
): { known: PasswdEntry | undefined; plan: Plan | undefined } {
  const known = passwdByName(name);
  try {
    if (known === undefined) throw noSuchUser(name);
    if (request.root === undefined) return { known, plan: unjailUser(known, request, outcome) };
    const move = request.move || (interactive && asksToMove(known, request.root));
    return { known, plan: jailUser(planFor(known, { ...request, move }), { ...request, move }, outcome) };
  } catch (error) {
    refuse(outcome, error);
    return { known, plan: undefined };
  }
}

const noSuchUser = (name: ByteString) =>
  new JailkitError("no-such-user", 1, `user ${display(name)} does not exist${userHint(name)}`);

function refuse(outcome: UserOutcome, error: unknown): void {
  outcome.status = "refused";
  outcome.error = describeError(error);
  if (error instanceof JailkitError) outcome.exitStatus = error.exitStatus;
  printError(`${NAME}: ${outcome.error}`);
}

/** The same for --jail-side-only. With `remove` the host need not have the account. */
function decideJailSide(remove: boolean) {
  return (name: ByteString, outcome: UserOutcome, { root, shell, dryRun }: JailingOptions) => {
    const known = passwdByName(name);
    try {
      if (root === undefined) throw new JailkitError("no-jail", BAD_JAIL, "no jail was named: use -j JAIL");
      if (known === undefined && !remove) throw noSuchUser(name);
      const request = { root, shell, usualShell: recordedShell(root, name), dryRun };
      const groups = known === undefined || remove ? [] : groupsOf(known);
      const plan: Plan = (report) => {
        const steps =
          known === undefined || remove
            ? removeJailSide(name, request)
            : writeJailSide(known, groups, request);
        for (const step of steps) report.done(dryRun ? `would have ${step}` : step);
        outcome.status = dryRun ? "planned" : steps.length > 0 ? "done" : "unchanged";
      };
      return { known, plan };
    } catch (error) {
      refuse(outcome, error);
      return { known, plan: undefined };
    }
  };
}

/** A jail that the account cannot pass, in the groups that it comes into too, is of no use to it. */
function warnOfClosed(
  root: JailRoot,
  user: PasswdEntry,
  joins: readonly number[],
  warn: (line: string) => void,
): void {
  const groups = [...groupIdsOf(user.name, user.gid), ...joins];
  const closed = closedDirectory(root, { uid: user.uid, gid: user.gid, groups });
  if (closed === undefined) return;
  warn(
    `${display(user.name)} cannot pass ${display(closed)}: no login works until it can: chmod o+x ${shellWord(closed)}`,
  );
}

/**
 * The home that the account has now may be one that jk_chrootsh refuses: it comes as it was. `joins`: the groups that it
 * would come into, in a dry run, which is about the home that the account would have.
 */
function warnOfHome(
  before: PasswdEntry,
  { home = before.home, moveFrom }: UserOutcome,
  joins: readonly number[] | undefined,
  warn: (line: ByteString) => void,
): void {
  const now = joins === undefined ? passwdByName(before.name) : { ...before, home };
  const fault = now && homeFault(now, joins === undefined ? undefined : { joins, moveFrom });
  if (fault !== undefined) warn(fault);
}

function asksToMove(user: PasswdEntry, root: JailRoot): boolean {
  if (user.home === root.path || user.home.startsWith(`${root.path}/`)) return false;
  return confirm(`move the home directory of ${quoted(user.name)} into the jail ${quoted(root.path)}?`);
}

/** The jail that an account goes into, or comes out of. */
const jailOf = (root: JailRoot | undefined, known: PasswdEntry | undefined): ByteString =>
  root?.path ?? splitHome(known?.home ?? "")?.jail ?? "/";

/** `jail`: where there may be no room. */
function carryOut(
  plan: Plan,
  outcome: UserOutcome,
  report: Reporter,
  jail: ByteString,
): "stopped" | undefined {
  try {
    holdingSignals(() => {
      stopIfInterrupted(`${quoted(outcome.name)} is as it was; run this again`);
      plan(report);
    });
  } catch (error) {
    outcome.status = "failed";
    const full = noRoom(error, jail, { left: [], progress: `not all is done for ${quoted(outcome.name)}` });
    outcome.error = full?.message ?? describeError(error);
    printError(`${NAME}: ${outcome.error}`);
    if (error instanceof JailkitError && error.code === "interrupted") return "stopped";
  }
  return undefined;
}

if (import.meta.main) await startTool(tool);
