import type { ByteString } from "../../ffi/bytes.ts";
import { normalPath } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import { describeError, isReported, JailkitError, UsageError } from "../cli/error.ts";
import { ask, confirm } from "../cli/input.ts";
import { jailBeforeUsers } from "../cli/jail-operand.ts";
import {
  BUSY_STATUS,
  DRY_RUN_WITHOUT_LETTER,
  JSON_OUTPUT,
  jailOption,
  NO_WAIT,
  type OptionTable,
  type OptionValues,
  VERBOSE,
} from "../cli/options.ts";
import { printError } from "../cli/output.ts";
import { withAdvice } from "../cli/remedy.ts";
import { jsonTextOrNull } from "../cli/report.ts";
import { startTool } from "../cli/start.ts";
import { defineTool } from "../cli/tool.ts";
import { followAccounts } from "../declaration/follow-move.ts";
import { formerFault, type KnownUids, uidsHere } from "../declaration/kept-fault.ts";
import { countDeclaredHomes } from "../declaration/known-homes.ts";
import { declaredAs, declaredBefore } from "../declaration/meant-of-lacking.ts";
import { homeTextAdvice } from "../enter/remedies.ts";
import { examineLogin } from "../explain/examine.ts";
import { homeFault, movedHome } from "../explain/home-fault.ts";
import { serveHomes } from "../jail/fs/home-thread.ts";
import { type JailRoot, openTree } from "../jail/fs/walk.ts";
import { lockJails } from "../jail/record/jail-lock.ts";
import { missingFiles } from "../libraries/missing.ts";
import { nameFault } from "../system/account-name.ts";
import { isLocalUser } from "../system/account-tools.ts";
import { type PasswdEntry, passwdByName } from "../system/accounts.ts";
import { isHomeIn, jailOfHome, livesIn, normalHome, splitHome } from "../system/separator.ts";
import { ACCESS_OPTIONS, readAccess } from "../users/access.ts";
import { AccountRun, makeChanges, printedOutput } from "../users/account-run.ts";
import { planJailSide, planToJail, planToUnjail } from "../users/changes.ts";
import { endDueLogins } from "../users/due-logins.ts";
import { requireSameLimits } from "../users/former-names.ts";
import { homeFor } from "../users/jail-side.ts";
import { jailToLeave } from "../users/jail-to-leave.ts";
import { groupsOf } from "../users/jailing.ts";
import { BAD_JAIL, LIMITED_SHELL, openJailForUsers } from "../users/open-jail.ts";
import { elsewhereAdvice, homeElsewhere } from "../users/own-home.ts";
import type { JailUserReport } from "../users/report-schema.ts";

const NAME = "jk_jailuser";

/** The jail that was named; or asks for one until there is one that will do. */
function findJail(given: ByteString | undefined, shell: ByteString, interactive: boolean): ByteString {
  let path = given;
  for (;;) {
    try {
      if (path === undefined) throw new JailkitError("no-jail", BAD_JAIL, "no jail was named: use -j JAIL");
      using root = openJailForUsers(path, shell);
      return root.path;
    } catch (error) {
      if (!interactive) throw error;
      printError(`${NAME}: ${describeError(error)}`);
      path = ask("enter jail directory: ");
      if (path === undefined) throw new JailkitError("no-jail", 1, "no jail was named");
    }
  }
}

const OPTIONS = {
  jail: jailOption(
    "the jail; if it is missing, jk_jailuser asks for it. As an operand it must contain a slash",
  ),
  shell: {
    short: "s",
    value: "SHELL",
    description: `the account's shell in the jail (default ${LIMITED_SHELL}); with --unjail the one on the host (default: the recorded one, if there is one)`,
  },
  ...ACCESS_OPTIONS,
  move: { short: "m", description: "move the home directory into the jail, or out of it" },
  noninteractive: {
    short: "n",
    description: "ask nothing; without -m the home is not moved (a dry run is --dry-run)",
  },
  nomove: { hidden: true, description: "accepted and ignored, as in jailkit 2" },
  unjail: { description: "take the accounts out of their jail" },
  jailSideOnly: {
    description:
      "change only the jail, not the accounts: enter them in etc/passwd and etc/group as the host has them, with keys, services and an empty home if that is missing; or with --unjail take them out",
  },
  noWait: NO_WAIT,
  dryRun: DRY_RUN_WITHOUT_LETTER,
  json: JSON_OUTPUT,
  verbose: VERBOSE,
} as const satisfies OptionTable;
type Options = OptionValues<typeof OPTIONS>;

function requireSensible(options: Options, jail: ByteString | undefined): void {
  const { unjail, jailSideOnly, move, groups, authorizedKey, policy } = options;
  if (jailSideOnly && (move || jail === undefined))
    throw new UsageError("--jail-side-only needs -j JAIL, and moves no home", 2);
  if (jailSideOnly && groups.length > 0)
    throw new UsageError("--groups changes the account, and cannot be used with --jail-side-only");
  if (!unjail || groups.length + authorizedKey.length + policy.length === 0) return;
  const given = "--groups, --authorized-key and --policy";
  throw new UsageError(`${given} are for accounts in a jail, and cannot be used with --unjail`);
}

export const tool = defineTool({
  name: NAME,
  summary: "put user accounts into a jail, or take them out again",
  synopsis: [
    "[-mnv] [-s SHELL] -j JAIL USER...",
    "[-mnv] [-s SHELL] JAIL USER...",
    "[-mv] [-s SHELL] --unjail USER...",
    "[-v] [-s SHELL] --jail-side-only [--unjail] -j JAIL USER...",
  ],
  options: OPTIONS,
  exitStatus: {
    0: "all accounts are as requested",
    1: "some are not; the message says which and why, and these are unchanged",
    2: "no user was named, or the jail's account files cannot be written",
    33: "the jail, or the shell in it, cannot be used",
    ...BUSY_STATUS,
  },
  root: 5,
  run({ options, operands }) {
    countDeclaredHomes();
    const { jail, rest: names } = jailBeforeUsers(options.jail, operands, 1);
    if (names.length === 0) throw new UsageError("no user was named", 2);
    requireSensible(options, jail);
    const { unjail, jailSideOnly, move, dryRun, json } = options;
    const access = readAccess(options, missingFiles);
    const quiet = options.noninteractive || json || dryRun || unjail || jailSideOnly;
    // With -, standard input holds keys and no answers.
    const interactive = !quiet && !options.authorizedKey.includes("-");
    const shell = options.shell ?? LIMITED_SHELL;
    const path = unjail && !jailSideOnly ? undefined : findJail(jail, shell, interactive);
    // Questions come before the lock, since nobody may answer.
    const moves = new Set(
      path !== undefined && interactive && !move ? names.filter((name) => asksToMove(name, path)) : [],
    );
    const jails = path === undefined ? names.flatMap((name) => jailToLeave(name, jail) ?? []) : [path];
    using _lock = dryRun ? undefined : lockJails(jails, { tool: NAME, ...options });
    using root = path === undefined ? undefined : openJailForUsers(path, shell);
    using host = openTree("/");
    const output = printedOutput(NAME, (options.verbose || dryRun) && !json, !json);
    const runs = names.map((name) => new AccountRun(name, output));
    const due = dryRun ? [] : endDueLogins();
    for (const line of due) runs[0]?.warn(line);
    const known: Known = new Map();
    const requireFit = (user: PasswdEntry, place: JailRoot) => {
      requireSameLimits(user, place, declaredBefore(user, place.path));
      const run = runs.find(({ name }) => name === user.name);
      if (run !== undefined) warnOfKept(user, place, run, known);
    };
    const jailing = { host, jail, shell: options.shell, access, dryRun, move, requireFit };
    const wantsMove = (user: PasswdEntry) => move || moves.has(user.name);
    const changes = runs.map((run) => {
      if (root === undefined) return planToUnjail(run, jailing);
      if (jailSideOnly) return planJailSide(run, root, { ...jailing, remove: unjail });
      return planToJail(run, root, jailing, wantsMove);
    });
    makeChanges(changes, jailOf(root), (user, run) => {
      if (unjail || root === undefined) return;
      const isPlanned = dryRun && access.joins.length > 0;
      const planned = isPlanned ? { user, groups: [...groupsOf(user), ...access.joins] } : undefined;
      if (jailSideOnly) warnOfText(user, root, run);
      if (jailSideOnly) warnOfName(user, root, run);
      const joins = dryRun ? access.joins.map(({ gid }) => gid) : undefined;
      const home = () => faultOfHome(user, joins, root, run);
      const except = jailSideOnly ? SIDE_ONLY : [];
      examineLogin(user, { root, access, planned, home, except }, run);
    });
    tellApply(runs);
    return {
      exitStatus: exitStatusOf(runs, json),
      report: (): JailUserReport => ({
        version: 1,
        tool: NAME,
        dryRun,
        jail: jsonTextOrNull(root?.path),
        users: runs.map((run) => run.toReport()),
      }),
      print: output.end,
    };
  },
});

/** What has uids without an account, once somebody has asked. */
type Known = Map<"uids", KnownUids>;

/** Warns of a home in the jail that another account had with the uid of one which comes into it. */
function warnOfKept(user: PasswdEntry, { path: jail }: JailRoot, run: AccountRun, known: Known): void {
  const declared = { name: user.name, jail, home: homeFor(user, jail), directory: !isLocalUser(user.name) };
  try {
    const fault = formerFault(declared, user, known.getOrInsertComputed("uids", uidsHere));
    if (fault !== undefined) run.warn(fault.message);
  } catch (error) {
    if (!isReported(error)) throw error;
    run.warn(describeError(error));
  }
}

/** A home that apply created and that moved is still one that it may delete, and files in a jail are its account's. */
function tellApply(runs: readonly AccountRun[]): void {
  const [run] = runs.filter(({ status, moved }) => status === "done" || moved !== undefined);
  for (const line of followAccounts(runs, NAME)) run?.warn(line);
}

function exitStatusOf(runs: readonly AccountRun[], strict: boolean): number {
  // Scripts for jailkit 2 do not use --json.
  if (strict && runs.some(({ differs }) => differs)) return 1;
  if (runs.every(({ status }) => status === "done" || status === "unchanged" || status === "planned"))
    return 0;
  return runs.find((run) => run.exitStatus)?.exitStatus ?? 1;
}

/** The jail that an account goes into, or comes out of. */
const jailOf = (root: JailRoot | undefined) => (user: PasswdEntry | undefined) =>
  root?.path ?? jailOfHome(user?.home ?? "") ?? "/";

/** The account stays as it is. */
const SIDE_ONLY = ["login", "home"] as const;

/**
 * Why jk_chrootsh would refuse a home, or that it was not moved into the jail. `joins`: in a dry run, the groups that the account
 * would get; then the home that it would have is judged.
 */
function faultOfHome(
  before: PasswdEntry,
  joins: readonly number[] | undefined,
  jail: JailRoot,
  { home = before.home, moveFrom }: AccountRun,
): ByteString | undefined {
  const now = joins === undefined ? passwdByName(before.name) : { ...before, home };
  const elsewhere = moveFrom === undefined ? now && homeElsewhere(now, jail) : undefined;
  if (elsewhere !== undefined) {
    const { message, advice } = elsewhereAdvice(before, jail.path, elsewhere);
    return `${display(before.name)} cannot log in, ${message}; ${advice}`;
  }
  const planned = joins && { joins, home: moveFrom === undefined ? undefined : movedHome(moveFrom) };
  return now && homeFault(now, planned);
}

/** Warns of an account that its lines in the jail do not help, since a login compares the text of its home. */
function warnOfText({ name, home }: PasswdEntry, { path }: JailRoot, run: AccountRun): void {
  const split = splitHome(home);
  if (split === undefined || !livesIn(path, home)) return;
  if (isHomeIn(path, home, normalPath(split.home))) return;
  const advice = homeTextAdvice(normalHome(home), name, isLocalUser(name));
  run.differs = true;
  run.warn(withAdvice(`${display(name)} cannot log in with a home that is written ${quoted(home)}`, advice));
}

/** Warns of an account that does not have what is declared for it. */
function warnOfName(user: PasswdEntry, { path }: JailRoot, run: AccountRun): void {
  const once = declaredAs(user.name, path);
  if (once === undefined || once.name === user.name) return;
  const { name, file } = once;
  run.differs = true;
  run.warn(
    `${quoted(user.name)} was declared as ${quoted(name)}, in ${quoted(file)}, and renamed since: its rights and limits there do not count for the new name; this says what to write there: jailkit apply`,
  );
}

function asksToMove(name: ByteString, jail: ByteString): boolean {
  const user = nameFault(name) === undefined ? passwdByName(name) : undefined;
  if (user === undefined || user.home === jail || user.home.startsWith(`${jail}/`)) return false;
  const answer = confirm(`move the home directory of ${quoted(name)} into the jail ${quoted(jail)}?`);
  // Without its home, the account could not log in.
  if (answer === undefined)
    throw new JailkitError("no-answer", 1, "nobody answered, and nothing was changed: use -m or -n");
  return answer;
}

if (import.meta.main && Bun.isMainThread) await startTool(tool);
else if (!Bun.isMainThread) serveHomes();
