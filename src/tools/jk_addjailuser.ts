import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, S_IFDIR, S_IFMT } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { holdingSignals } from "../../ffi/interrupts.ts";
import { normalPath } from "../../ffi/paths.ts";
import { jsonText, quoted } from "../cli/display.ts";
import { JailkitError, UsageError } from "../cli/error.ts";
import { stopIfInterrupted } from "../cli/interrupt.ts";
import { DRY_RUN_WITHOUT_LETTER, JSON_OUTPUT, jailOption, VERBOSE } from "../cli/options.ts";
import { printError, printJson, printLine } from "../cli/output.ts";
import { requireRoot } from "../cli/root.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { startTool } from "../cli/start.ts";
import { defineTool } from "../cli/tool.ts";
import { homeRemedy } from "../enter/remedies.ts";
import { homeFault } from "../explain/home-fault.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { requireFreeHome } from "../jail/accounts/home-place.ts";
import { joinHome } from "../jail/accounts/separator.ts";
import { lookUp } from "../jail/fs/look.ts";
import { closeJailRoot, hostPath, type JailRoot } from "../jail/fs/walk.ts";
import { missingPython } from "../libraries/python.ts";
import { addGroup, type UseraddOptions } from "../system/account-tools.ts";
import { groupByName, type PasswdEntry } from "../system/accounts.ts";
import { commandAt } from "../system/exchange.ts";
import { ACCESS_OPTIONS, planAccess, readAccess, writeAccess } from "../users/access.ts";
import { requireSafePlace } from "../users/change-account.ts";
import { createJailed } from "../users/create-account.ts";
import { groupWarning, requireGroup } from "../users/groups.ts";
import { warnOfLogin } from "../users/jailing.ts";
import { inheritedPolicy, missingLine, missingOf } from "../users/login-needs.ts";
import {
  isUsablePassword,
  newAccountWarnings,
  requireJailSide,
  requireNewAccount,
} from "../users/new-account.ts";
import { absolute, LIMITED_SHELL, openJailForUsers } from "../users/open-jail.ts";
import type { NewUserReport } from "../users/report-schema.ts";

const NAME = "jk_addjailuser";
const DEFAULT_GROUP = "users";

const isDirectory = (path: ByteString) => {
  const stat = statIfPresent(AT_FDCWD, absolute(path), true);
  return stat !== undefined && (stat.mode & S_IFMT) === S_IFDIR;
};

/** JAIL and USER come in either order: the jail is the one that is a directory. */
function jailAndUser(
  jail: ByteString | undefined,
  operands: readonly ByteString[],
): [ByteString, ByteString] {
  const [first, second, third] = operands;
  if (third !== undefined || (jail !== undefined && second !== undefined)) {
    throw new UsageError("too many arguments: name one jail and one user", 3);
  }
  if (jail !== undefined && first !== undefined) return [jail, first];
  if (first === undefined || second === undefined) {
    throw new UsageError("too few arguments: name a jail and a user", 2);
  }
  return !first.includes("/") && !isDirectory(first) ? [second, first] : [first, second];
}

/** A letter of useradd(8) and what it was given: a value, or whether the flag was there. */
type Given = readonly [letter: string, value: ByteString | boolean | undefined];

function useraddOptions(given: readonly Given[]): UseraddOptions {
  const options = new Map<string, ByteString | true>();
  for (const [letter, value] of given) if (value !== undefined && value !== false) options.set(letter, value);
  return options;
}

/** Refuses before anything is made what would fail after it. */
function requireFreeName(root: JailRoot, name: ByteString, uid: number | undefined): void {
  const present = readJailAccounts(root).userByName(name);
  if (present !== undefined && String(present.uid) !== `${uid}`) {
    const message = `the jail's etc/passwd has a user ${quoted(name)} already (uid ${present.uid}), from an earlier account: take another name, or mend it with: jk_jailuser --unjail --jail-side-only -j ${shellWord(root.path)} ${operands(name)}`;
    throw new JailkitError("user-exists", 1, message);
  }
}

export const tool = defineTool({
  name: NAME,
  summary: "Create a user account in a jail. The account is made by useradd(8), which most options are for.",
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
    skel: { short: "k", value: "DIR", description: "what a new home is filled with (default /etc/skel)" },
    password: {
      short: "p",
      value: "HASH",
      mayBeEmpty: true,
      description: "the password, as crypt(3) makes it",
    },
    shell: { short: "s", value: "SHELL", description: `the shell in the jail (default ${LIMITED_SHELL})` },
    uid: { short: "u", value: "UID", description: "the uid" },
    createHome: { short: "m", description: "make the home (the default)" },
    noCreateHome: { short: "M", long: "without-home", description: "do not make the home" },
    noUserGroup: {
      short: "n",
      long: "without-user-group",
      hidden: true,
      description: "understood and ignored: there is no group per user",
    },
    nonUnique: { short: "o", description: "the uid may be another account's" },
    system: { short: "r", description: "make a system account" },
    dryRun: DRY_RUN_WITHOUT_LETTER,
    json: JSON_OUTPUT,
    verbose: VERBOSE,
  },
  exitStatus: {
    0: "the account is there",
    1: "it is not; the message says why",
    2: "the jail or the user was not named",
    3: "too many arguments",
    5: "not run as root",
    33: "the jail or the shell in it will not do",
  },
  run({ options, operands }) {
    const [jail, name] = jailAndUser(options.jail, operands);
    requireRoot();
    const shell = options.shell ?? LIMITED_SHELL;
    const access = readAccess(options, missingPython);
    const root = openJailForUsers(jail, shell);
    try {
      const values = { ...options, name, nonUnique: options.nonUnique };
      const uid = requireNewAccount(values);
      requireFreeName(root, name, uid);
      const jailHome = normalPath(options.home ?? `/home/${name}`);
      if (jailHome === "/") throw new JailkitError("bad-home", 1, "the home cannot be '/'");
      requireFreeHome(root, jailHome, uid === undefined ? undefined : `${uid}`);
      if (!options.noCreateHome) requireSafePlace(root, jailHome);
      const home = joinHome(root.path, jailHome);
      const group = primaryGroup(options.gid);
      if (options.noCreateHome && access.keys.length > 0) requireHome(root, jailHome);
      const present = groupByName(group);
      const side = [...(present === undefined ? [] : [present]), ...access.joins];
      requireJailSide(root, { name, uid, home, shell }, side);
      const planned = planAccess({ root, name, home: jailHome, shell }, access, undefined).lines;
      const say = (line: ByteString) => {
        if ((options.verbose || options.dryRun) && !options.json) printLine(line);
      };
      const written: ByteString[] = [];
      const warnings: ByteString[] = [];
      const warn = (line: ByteString) => {
        warnings.push(line);
        printError(`${NAME}: warning: ${line}`);
      };
      for (const line of newAccountWarnings(values)) warn(line);
      if (options.dryRun) {
        say(`would have created the account ${quoted(name)} with the home ${quoted(home)}`);
        for (const { name: joined } of access.joins)
          say(`would have put it into the group ${quoted(joined)}`);
        for (const line of planned) say(line);
        const joins = access.joins.map((one) => one.name);
        const administrator = groupWarning(name, group, joins, false);
        if (administrator !== undefined) warn(administrator);
      } else {
        const keyAlone = access.keys.length > 0 && options.password === undefined;
        const given: Given[] = [
          ["c", options.comment],
          ["e", options.expiredate],
          ["f", options.inactive],
          ["g", group],
          ["G", access.joins.length === 0 ? undefined : access.joins.map((one) => one.name).join(",")],
          ["k", options.noCreateHome ? undefined : options.skel],
          // No password matches it; and it is not locked, which keeps sshd without PAM from taking the key.
          ["p", keyAlone ? "*" : options.password],
          ["u", options.uid],
          ["m", !options.noCreateHome],
          ["M", options.noCreateHome],
          ["o", options.nonUnique],
          ["r", options.system],
        ];
        if (present === undefined && group === DEFAULT_GROUP) {
          addGroup(group);
          say(`created the group ${quoted(group)}`);
        }
        const user = holdingSignals(() => {
          stopIfInterrupted("no account was made; run this again");
          return createJailed(root, { name, home, jailHome, shell }, useraddOptions(given), (made) =>
            writeAccess(
              { root, user: made, home: jailHome },
              access,
              (line) => written.push(line) && say(line),
              warn,
            ),
          );
        });
        say(`created the account ${quoted(name)} with the home ${quoted(home)}`);
        const there = lookUp(root, jailHome) !== undefined;
        const foreign = foreignHome(root, user, jailHome) ?? (there ? homeFault(user) : undefined);
        if (foreign !== undefined) warn(foreign);
        warnOfLogin(user, warn, access);
      }
      const hasPassword = options.password !== undefined && isUsablePassword(options.password);
      const account = { root, name, group, home: jailHome, shell, access, hasPassword };
      const inherited = inheritedPolicy(account);
      if (inherited !== undefined) warn(inherited);
      const missing = missingOf(account);
      for (const one of missing) printError(`${NAME}: ${missingLine(one)}`);
      if (options.json) {
        printJson({
          version: 1,
          tool: NAME,
          dryRun: options.dryRun,
          jail: jsonText(root.path),
          user: jsonText(name),
          home: jsonText(home),
          shell: jsonText(shell),
          groups: [group, ...access.joins.map((one) => one.name)].map(jsonText),
          access: (options.dryRun ? planned : written).map(jsonText),
          warnings: warnings.map(jsonText),
          missing: missing.map(({ code, message, remedies }) => ({
            code,
            message: jsonText(message),
            remedies: remedies.map(jsonText),
          })),
        } satisfies NewUserReport);
      }
      return 0;
    } finally {
      closeJailRoot(root);
    }
  },
});

/** The name of the primary group. The default one may have to be made; of others a name that is not there is an error. */
function primaryGroup(given: ByteString | undefined): ByteString {
  return given === undefined ? DEFAULT_GROUP : requireGroup(given).name;
}

function requireHome(root: JailRoot, home: ByteString): void {
  if (lookUp(root, home) !== undefined) return;
  const where = quoted(hostPath(root, home));
  throw new JailkitError(
    "no-home",
    1,
    `${where} does not exist: --authorized-key needs a home, leave -M out`,
  );
}

/** What to tell of a home that was there before and is somebody else's: useradd(8) leaves it as it is. */
function foreignHome(root: JailRoot, user: PasswdEntry, jailHome: ByteString): ByteString | undefined {
  const stat = lookUp(root, jailHome)?.stat;
  if (stat === undefined || (stat.uid === user.uid && (stat.mode & S_IFMT) === S_IFDIR)) return undefined;
  const path = hostPath(root, jailHome);
  const what = `${quoted(path)} was there before and is not the user's (it belongs to uid ${stat.uid}): logins are refused`;
  const make = commandAt(path, homeRemedy(path, user.uid, user.gid, true));
  return `${what}; keep it beside, and make another: ${make}`;
}

if (import.meta.main) await startTool(tool);
