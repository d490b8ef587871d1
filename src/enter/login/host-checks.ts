import type { ByteString } from "../../../ffi/bytes.ts";
import { S_IFDIR, S_IFMT, S_IFREG, S_ISGID, S_ISUID } from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import type { Stat } from "../../../ffi/files.ts";
import { directoryOf, plainPath } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { describeError } from "../../cli/error.ts";
import { octal } from "../../cli/octal.ts";
import { type Advice, inWords, type Remedy } from "../../cli/remedy.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import { type NamedEntry, removalCommand, showEntries, writersOf } from "../../system/acl.ts";
import { closeCommand } from "../../system/exchange.ts";
import { joinHome } from "../../system/separator.ts";
import { CONFIG_DIRECTORY_CHECK, callerChecks, programName } from "../caller-checks.ts";
import {
  type Check,
  check,
  failed,
  jailVerdict,
  notPlain,
  passed,
  settingsVerdict,
  unreachable,
  type Verdict,
  warned,
} from "../checks.ts";
import { accountOf, type LoginFacts, required, splitOf } from "../facts.ts";
import {
  atHome,
  giveHome,
  homeTextAdvice,
  jailSideRemedy,
  passRemedy,
  rootsGroupAdvice,
  setInDirectory,
} from "../remedies.ts";
import { homeAdvice, mayBeTheirs, newHome, ownHomeAdvice } from "./home-advice.ts";
import { unlessOtherUid } from "./other-uid.ts";

// sshd and login(1) put a dash before the name of a login shell; su(1) uses its own name.
const PROGRAM_NAMES = ["jk_chrootsh", "-jk_chrootsh", "su", "-su"];

function judgeSettings(facts: LoginFacts): Verdict {
  const { section, warnings } = facts.settings();
  const found =
    section === undefined
      ? `${facts.configFile} has no section for this user: the built-in settings apply`
      : `section [${section}] of ${facts.configFile}`;
  return settingsVerdict(found, warnings, facts.configFile);
}

function judgeSeparator(facts: LoginFacts): Verdict {
  const { name, uid, home } = accountOf(facts);
  const split = facts.split();
  if (split !== undefined) return passed(`jail ${split.jail}, home ${split.home}`);
  const what = `homedir '${home}' for user ${name} (${uid}) does not contain the jail separator <jail>/./<home>`;
  return failed(
    `abort, ${what}`,
    facts.isLocal() ? `jk_jailuser -m -j JAIL ${operands(name)}` : setInDirectory(name),
  );
}

function judgeJail(kind: "unreachable" | "not-plain") {
  return (facts: LoginFacts): Verdict => {
    const { jail, home } = splitOf(facts);
    const fact = facts.jail();
    if (fact.kind !== kind)
      return passed(kind === "not-plain" ? `${jail} is a plain path` : `${jail} is there`);
    if (fact.kind === "unreachable") return unreachable(jail, fact);
    const real = joinHome(fact.real ?? "JAIL", plainPath(home));
    return notPlain(jail, fact, homeTextAdvice(real, accountOf(facts).name, facts.isLocal()));
  };
}

// The exit status of jk_chrootsh if the home cannot be entered.
const HOME_ENTRY_STATUS = 41;

/** Lets the user pass a directory above the home, which may be another one than belongs there. */
function passAdvice(facts: LoginFacts, path: ByteString, directory: ByteString): Advice {
  const rest = directory.slice(splitOf(facts).jail.length) || "/";
  if (rest === "/" || facts.isRootsPlace(rest)) return atHome(facts, path, passRemedy(directory));
  return inWords(`let the user pass ${display(directory)}, if that is the directory that should be there`);
}

function judgeHome(facts: LoginFacts): Verdict {
  const { home: path } = accountOf(facts);
  let home: Stat | undefined;
  try {
    home = facts.home();
  } catch (error) {
    if (!isErrno(error, "EACCES")) throw error;
    // jailkit 2.23, with a privilege that this program does not have, failed later, at the entry.
    const what = `chdir(${path}) would fail: ${describeError(error)}`;
    const advice = passAdvice(facts, path, directoryOf(error.path ?? path));
    return { ...failed(`abort, ${what}`, advice), exitStatus: HOME_ENTRY_STATUS };
  }
  const type = home === undefined ? 0 : home.mode & S_IFMT;
  // A file is refused by the check home-entry; all other types here, above all a symbolic link.
  if (home === undefined || (type !== S_IFDIR && type !== S_IFREG)) {
    const aside = home && facts.homeAside();
    const outside = home === undefined && facts.isHomeOutside();
    const make = outside
      ? jailSideRemedy(splitOf(facts).jail, accountOf(facts).name, "-n -m")
      : newHome(facts, aside);
    const advice = ownHomeAdvice(facts, make, facts.homeMount(false, make));
    return failed(`abort, path ${path} is not a directory`, advice);
  }
  if ((home.mode & (S_ISUID | S_ISGID)) === 0) return passed(`${path} is there`);
  const message = `path ${path} is ${(home.mode & S_ISUID) !== 0 ? "setuid" : "setgid"}`;
  const advice = atHome(facts, path, `chmod u-s,g-s ${shellWord(path)}`);
  return warned(message, advice, [{ severity: "err", message }]);
}

/** A check of the home that a setting can relax. */
function homeRule(
  relaxed: (facts: LoginFacts) => boolean,
  broken: (home: Stat, facts: LoginFacts) => boolean,
  complaint: (path: ByteString, facts: LoginFacts, home: Stat) => [message: ByteString, remedy: Remedy],
) {
  return (facts: LoginFacts): Verdict => {
    const { home: path } = accountOf(facts);
    const home = required(facts.home(), "the home");
    const state = `${path} is ${home.uid}:${home.gid} ${octal(home.mode)}`;
    if (!broken(home, facts)) return passed(state);
    if (relaxed(facts)) return passed(`${state}, which the settings allow`);
    const [message, remedy] = complaint(path, facts, home);
    const isRelaxed = () => facts.settings().values.relaxHomeOwner && mayBeTheirs(facts, home);
    const isTheirs = home.uid === facts.uid || isRelaxed();
    return failed(`abort, ${message}`, homeAdvice(facts, path, remedy, isTheirs));
  };
}

/** The command for a home that somebody may not write who can: one for the group and for others. */
function closeHome(path: ByteString, { mode }: Stat, facts: LoginFacts, forbidden = 0): Remedy {
  const { relaxHomeGroupPermissions, relaxHomeOtherPermissions } = facts.settings().values;
  const relaxed = (relaxHomeGroupPermissions ? 0o020 : 0) | (relaxHomeOtherPermissions ? 0o002 : 0);
  const command = closeCommand((mode & ~relaxed) | forbidden);
  return `${command} ${shellWord(path)}`;
}

/**
 * The settings may allow the group to write the home. They do not allow other users and groups that the ACL names, though
 * the group bits are then the mask of the ACL and do not show them.
 */
function judgeHomeGroupWrite(facts: LoginFacts): Verdict {
  const { relaxHomeGroupPermissions, relaxHomeOtherPermissions } = facts.settings().values;
  const verdict = homeRule(
    () => relaxHomeGroupPermissions,
    (home) => (home.mode & 0o020) !== 0,
    (path, _, home) => [
      `path ${path} is group writable, set option 'relax_home_group_permissions' to relax this check`,
      closeHome(path, home, facts),
    ],
  )(facts);
  const relaxed = relaxHomeGroupPermissions && !relaxHomeOtherPermissions;
  const home = required(facts.home(), "the home");
  if (!relaxed || (home.mode & 0o020) === 0) return verdict;
  const { home: path } = accountOf(facts);
  const option = "set option 'relax_home_other_permissions' to relax this check";
  const acl = facts.homeAcl();
  if (acl === "unknown") {
    const message = `abort, path ${path} is group writable, and its ACL cannot be read, ${option}`;
    return failed(message, atHome(facts, path, closeHome(path, home, facts, 0o020)));
  }
  const own = ({ tag, id }: NamedEntry) => id === (tag === "u" ? facts.uid : facts.gid);
  const writers = writersOf(acl).filter((entry) => !own(entry));
  if (writers.length === 0) return verdict;
  const message = `abort, path ${path} is writable through its ACL (${showEntries(writers)}), ${option}`;
  return failed(message, atHome(facts, path, `${removalCommand(writers)} ${shellWord(path)}`));
}

/** What is advised to an account with the uid of root. */
function rootAdvice(facts: LoginFacts): Advice {
  const account = facts.account();
  // One that says so in a directory by mistake gets no login outside of jails.
  if (account !== undefined && !facts.isLocal())
    return inWords("if the account is not to be root, give it another uid in its directory");
  return `usermod -s /bin/bash ${operands(account?.name ?? "root")}`;
}

function judgePrimaryGroup(facts: LoginFacts): Verdict {
  const { gid } = accountOf(facts);
  if (gid === facts.gid) return passed(`group ID ${gid}`);
  const what = `the group ID from /etc/passwd (${gid}) does not match the group ID we run with (${facts.gid})`;
  return failed(`abort, ${what}`, inWords("do not start it through newgrp(1) or sg(1)"));
}

function judgeHomeSet(facts: LoginFacts): Verdict {
  const { name, uid, home } = accountOf(facts);
  if (home !== "") return passed(`home ${home}`);
  const remedy: Remedy = `usermod -d ${shellWord(joinHome("JAIL", `/home/${name}`))} ${operands(name)}`;
  const message = `abort, got an empty home directory for user ${name} (${uid})`;
  return failed(message, facts.isLocal() ? remedy : setInDirectory(name));
}

const judgeHomeOwner = unlessOtherUid(
  homeRule(
    (facts) => facts.settings().values.relaxHomeOwner,
    (home, facts) => home.uid !== facts.uid,
    (path, facts, home) => [
      `path ${path} is not owned by ${facts.uid}`,
      `${giveHome(facts, home, facts.settings().values.relaxHomeGroup)} ${shellWord(path)}`,
    ],
  ),
);

const judgeOtherGroup = homeRule(
  (facts) => facts.settings().values.relaxHomeGroup,
  (home, facts) => home.gid !== facts.gid,
  (path, { gid }) => [
    `path ${path} does not have group owner ${gid}, set option 'relax_home_group' to relax this check`,
    `chgrp -h +${gid} ${shellWord(path)}`,
  ],
);

/** With the primary group of root, an account would have the rights of that, once its home is right. */
function judgeHomeGroup(facts: LoginFacts): Verdict {
  const verdict = judgeOtherGroup(facts);
  if (facts.gid !== 0 || verdict.outcome !== "failed") return verdict;
  return { ...verdict, advice: rootsGroupAdvice(accountOf(facts).name, facts.isLocal()) };
}

const judgeHomeOtherWrite = homeRule(
  (facts) => facts.settings().values.relaxHomeOtherPermissions,
  (home) => (home.mode & 0o002) !== 0,
  (path, facts, home) => [
    `path ${path} is writable for other, set option 'relax_home_other_permissions' to relax this check`,
    closeHome(path, home, facts),
  ],
);

const HOME_NEEDS = ["home-present", "config-file"];
const OTHER_GROUP = "the session has another group than the account";
const HOME_OTHER_GROUP = "the home has another group than the account";

/** The checks of a login on the host, in the order of jailkit 2.23. */
export const HOST_CHECKS: readonly Check[] = [
  programName("jk_chrootsh", PROGRAM_NAMES),
  ...callerChecks("jk_chrootsh", rootAdvice),
  CONFIG_DIRECTORY_CHECK,
  check("config-file", 14, "the configuration cannot be used", ["account", "group"], judgeSettings),
  check("primary-group", 15, OTHER_GROUP, ["account"], judgePrimaryGroup),
  check("home-set", 16, "the account has no home", ["account"], judgeHomeSet),
  check("separator", 17, "the account is not in a jail", ["home-set"], judgeSeparator),
  check("jail-reachable", 19, "the jail cannot be reached", ["separator"], judgeJail("unreachable")),
  check("jail-path", 21, "the path of the jail is not plain", ["jail-reachable"], judgeJail("not-plain")),
  check("jail-safety", 53, "the jail is not safe", ["jail-path"], (facts) =>
    jailVerdict(splitOf(facts).jail, facts.jailFindings()),
  ),
  check("home-present", 53, "the home is not a directory", ["jail-path"], judgeHome),
  check("home-owner", 53, "the home belongs to somebody else", HOME_NEEDS, judgeHomeOwner),
  check("home-group", 53, HOME_OTHER_GROUP, HOME_NEEDS, judgeHomeGroup),
  check("home-group-write", 53, "the home is writable by its group", HOME_NEEDS, judgeHomeGroupWrite),
  check("home-other-write", 53, "the home is writable by everybody", HOME_NEEDS, judgeHomeOtherWrite),
];
