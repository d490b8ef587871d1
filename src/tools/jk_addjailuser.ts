import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { absolute } from "../../ffi/guard.ts";
import { display, jsonText } from "../cli/display.ts";
import { answered, describeError, isReported, JailkitError, UsageError } from "../cli/error.ts";
import {
  BUSY_STATUS,
  DRY_RUN_WITHOUT_LETTER,
  JSON_OUTPUT,
  jailOption,
  NO_WAIT,
  VERBOSE,
} from "../cli/options.ts";
import { printError } from "../cli/output.ts";
import type { Remedy } from "../cli/remedy.ts";
import { startTool } from "../cli/start.ts";
import { defineTool } from "../cli/tool.ts";
import { tellCreated } from "../declaration/follow-move.ts";
import { keptFault, uidsHere } from "../declaration/kept-fault.ts";
import { KeptHomes } from "../declaration/kept-homes.ts";
import type { DeclaredUser } from "../declaration/model.ts";
import { readOnce } from "../declaration/once.ts";
import { placeText } from "../declaration/place-of-fault.ts";
import { declaredHere } from "../declaration/read.ts";
import { uidOfOther, uidOwnersHere } from "../declaration/uid-owners.ts";
import { reservedBy, UidsInJails } from "../declaration/uids-in-jails.ts";
import { examineLogin } from "../explain/examine.ts";
import { createdHome, homeFault } from "../explain/home-fault.ts";
import { usualHome } from "../jail/accounts/home-place.ts";
import { lookUp } from "../jail/fs/look.ts";
import { isDirectory } from "../jail/fs/walk.ts";
import { lockJail } from "../jail/record/jail-lock.ts";
import { missingFiles } from "../libraries/missing.ts";
import { type PasswdEntry, passwdByName, passwdByUid } from "../system/accounts.ts";
import { newHomeMode, spareUid } from "../system/login-defs.ts";
import { ACCESS_OPTIONS, readAccess } from "../users/access.ts";
import { AccountRun, printedOutput } from "../users/account-run.ts";
import { OPTIONS } from "../users/advice.ts";
import { createAccount, describeCreation, foreignHome } from "../users/create-account.ts";
import { endDueLogins } from "../users/due-logins.ts";
import { missingLine, missingOf } from "../users/login-needs.ts";
import { DEFAULT_GROUP, type NewAccount, newAccountWarnings, planNewAccount } from "../users/new-account.ts";
import { LIMITED_SHELL, openJailForUsers } from "../users/open-jail.ts";
import type { NewUserReport } from "../users/report-schema.ts";

const NAME = "jk_addjailuser";

/** JAIL and USER come in either order: the jail is the one that is a directory. */
function jailAndUser(jail: ByteString | undefined, operands: readonly ByteString[]) {
  const words = jail === undefined ? operands : [jail, ...operands];
  const [first, second] = words;
  if (words.length > 2) throw new UsageError("too many arguments: name one jail and one user", 3);
  if (first === undefined || second === undefined)
    throw new UsageError("too few arguments: name a jail and a user", 2);
  const inOrder = { jail: first, name: second };
  if (jail !== undefined || first.includes("/")) return inOrder;
  const stat = statIfPresent(AT_FDCWD, absolute(first), true);
  return stat !== undefined && isDirectory(stat) ? inOrder : { jail: second, name: first };
}

export const tool = defineTool({
  name: NAME,
  summary: "create a user account in a jail",
  synopsis: ["[OPTION]... -j JAIL USER", "[OPTION]... JAIL USER"],
  options: {
    jail: jailOption("the jail"),
    comment: { short: "c", value: "TEXT", mayBeEmpty: true, description: "the account's comment" },
    home: { short: "d", value: "DIR", description: "the home, as the jail sees it (default /home/USER)" },
    expiredate: {
      short: "e",
      value: "DATE",
      mayBeEmpty: true,
      description: "the day on which the account expires",
    },
    inactive: {
      short: "f",
      value: "DAYS",
      description: "days after which an expired password locks the account",
    },
    gid: {
      short: "g",
      value: "GROUP",
      description: `the primary group, which must exist (default ${DEFAULT_GROUP})`,
    },
    ...ACCESS_OPTIONS,
    skel: { short: "k", value: "DIR", description: "the files for a new home (default /etc/skel)" },
    password: {
      short: "p",
      value: "HASH",
      mayBeEmpty: true,
      description: "the password, as a hash of crypt(3)",
    },
    shell: { short: "s", value: "SHELL", description: `the shell in the jail (default ${LIMITED_SHELL})` },
    uid: { short: "u", value: "UID", description: "the uid" },
    createHome: { short: "m", description: "create the home (the default)" },
    noCreateHome: { short: "M", long: "without-home", description: "do not create the home" },
    noUserGroup: {
      short: "n",
      long: "without-user-group",
      hidden: true,
      description: "accepted and ignored: there is no group per user",
    },
    nonUnique: { short: "o", description: "allow a uid that another account has" },
    system: { short: "r", description: "create a system account" },
    noWait: NO_WAIT,
    dryRun: DRY_RUN_WITHOUT_LETTER,
    json: JSON_OUTPUT,
    verbose: VERBOSE,
  },
  exitStatus: {
    0: "the account was created",
    1: "it was not; the message says why",
    2: "the jail or the user was not named",
    3: "too many arguments",
    33: "the jail, or the shell in it, cannot be used",
    ...BUSY_STATUS,
  },
  notes:
    "Most options are those of useradd(8), which creates the account. Without -u it does not get the uid of an account that jailkit-apply(8) created and that is gone, as long as its home or other files in jails may have it, nor one that a line of the jail's etc/passwd has, or something beside the new home. The uid of a user whom a file of jails.d declares, and whose account is not there, is refused, also with -o: the files of that user would be those of the new account.",
  root: 5,
  run({ options, operands }) {
    const { jail, name } = jailAndUser(options.jail, operands);
    const access = readAccess(options, missingFiles);
    using _lock = lockJail(absolute(jail), { tool: NAME, ...options, changes: !options.dryRun });
    using root = openJailForUsers(jail, options.shell ?? LIMITED_SHELL);
    const { dryRun } = options;
    const run = new AccountRun(name, printedOutput(NAME, (options.verbose || dryRun) && !options.json));
    if (!dryRun) for (const line of endDueLogins()) run.warn(line);
    const place = { jail: root.path, home: options.home ?? usualHome(name) };
    const uidInstead = () => uidBeside(options.system, place);
    const values = { ...options, name, uidInstead, skel: options.skel && absolute(options.skel) };
    const account = planNewAccount(root, values, access);
    for (const line of newAccountWarnings(values)) run.warn(line);
    if (options.uid !== undefined) requireNobodysUid(account);
    if (options.uid !== undefined && !options.nonUnique) warnOfKept(account, run);
    let { user } = account;
    let accessLines: readonly ByteString[] = account.plan.lines;
    if (dryRun) describeCreation(account, run);
    else {
      ({ user, accessLines } = createAccount(account, values, run));
      for (const line of tellCreated([name], NAME)) run.warn(line);
    }
    run.examine(() => {
      const home = () => faultOfHome(account, user, dryRun);
      const { shell } = account;
      const common = { root, access, home, inherits: shell };
      examineLogin(user, dryRun ? { ...common, planned: planned(account) } : common, run);
    });
    const missing = missingOf(account);
    for (const one of missing) printError(`${NAME}: ${missingLine(one)}`);
    const report = (): NewUserReport => ({
      version: 1,
      tool: NAME,
      dryRun,
      jail: jsonText(root.path),
      user: jsonText(name),
      home: jsonText(account.home),
      shell: jsonText(account.shell),
      groups: [account.group, ...access.joins.map((one) => one.name)].map(jsonText),
      access: accessLines.map(jsonText),
      warnings: run.warnings.map(jsonText),
      missing: missing.map(({ code, message, remedies }) => ({
        code,
        message: jsonText(message),
        remedies: remedies.map(jsonText),
      })),
    });
    return { exitStatus: 0, report, print: run.output.end };
  },
});

type Place = Pick<DeclaredUser, "jail" | "home">;

/** The uid to give to useradd(8), which would choose that of a home without an account; undefined if it would not. */
function uidBeside(system: boolean, place: Place): number | undefined {
  const once = readOnce();
  const owners = uidOwnersHere(() => once);
  const isOwned = (uid: number) => owners.of(uid, "") !== undefined;
  const uids = new UidsInJails(() => [{ ...place, isOwn: true }]);
  const reserved = reservedBy(new KeptHomes(once), uids, isOwned);
  return spareUid(system, (id) => passwdByUid(id) !== undefined, reserved, OPTIONS.uid);
}

/**
 * Throws JailkitError "uid-taken" for the uid of a declared user whose account is not there: the new one would own the files of that
 * one, also with -o, which is for a second name of an account.
 */
function requireNobodysUid({ user: { name, uid } }: NewAccount): void {
  // Without what was declared once, it is known of sections with a uid, and of the lines of their users.
  const once = answered(readOnce) ?? { users: [] };
  const declared = declaredHere()?.users;
  const ofLine = () => {
    const isIt = (one: Pick<DeclaredUser, "name" | "jail">) =>
      one.name !== name && declared?.get(one.name)?.jail === one.jail && passwdByName(one.name) === undefined;
    // Where nothing is declared, no jail is looked at.
    const line = declared?.size ? new UidsInJails(() => []).linesWith(uid).find(isIt) : undefined;
    return line && { name: line.name, isDeclared: true };
  };
  const owner = answered(() => uidOwnersHere(() => once).of(uid, name) ?? ofLine());
  if (owner?.isDeclared !== true) return;
  const place = declared?.get(owner.name)?.place;
  const where = place === undefined ? "" : ` (${placeText(place)})`;
  const section = `[user ${display(owner.name)}]${where}`;
  const create: Remedy = "jailkit apply";
  const gone: Remedy = "jailkit apply --prune";
  const ways = `${OPTIONS.uid}; or bring that account back, as it is declared, with: ${create}; or, if that user is gone for good, take ${section} out, and let what is left of it go, with: ${gone}`;
  throw new JailkitError("uid-taken", 1, uidOfOther(uid, owner, ways).message);
}

/**
 * Warns of a home that apply has left without its account, and that has the uid: who asks for it may want that home. Throws JailkitError
 * "uid-taken" if a line of the jail says that it is that of a declared user.
 */
function warnOfKept({ root, user, jailHome }: NewAccount, run: AccountRun): void {
  const declared = { name: user.name, jail: root.path, home: jailHome };
  let fault: ReturnType<typeof keptFault>;
  try {
    fault = keptFault(declared, user.uid, uidsHere(), OPTIONS.uid);
  } catch (error) {
    if (!isReported(error)) throw error;
    // Who gives a uid gets it all the same.
    run.warn(describeError(error));
    return;
  }
  const told = fault && (fault.told ?? fault.message);
  if (told !== undefined && fault?.isDeclared) throw new JailkitError("uid-taken", 1, told);
  if (told !== undefined) run.warn(told);
}

/** The account that createAccount would make. */
function planned({ user, group, access, password = "!" }: NewAccount) {
  const groups = [{ name: group, gid: user.gid }, ...access.joins];
  return { user, groups, locked: password.startsWith("!") };
}

/** Why jk_chrootsh would refuse the home. */
function faultOfHome(account: NewAccount, user: PasswdEntry, dryRun: boolean): ByteString | undefined {
  const { root, jailHome, access, createsHome } = account;
  const joins = access.joins.map(({ gid }) => gid);
  const home = dryRun && createsHome ? createdHome(root, newHomeMode(), user) : undefined;
  const isThere = createsHome || lookUp(root, jailHome) !== undefined;
  return foreignHome(account, user) ?? (isThere ? homeFault(user, { joins, home }) : undefined);
}

if (import.meta.main) await startTool(tool);
