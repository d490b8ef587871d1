import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, S_IFDIR } from "../../ffi/constants.ts";
import { type Stat, statIfPresent } from "../../ffi/files.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { withRightsOf } from "../../ffi/rights.ts";
import { display } from "../cli/display.ts";
import { type Advice, withAdvice } from "../cli/remedy.ts";
import { knownConfig } from "../config/known-sections.ts";
import { runChecks } from "../enter/checks.ts";
import type { InJailFacts } from "../enter/facts.ts";
import { CONFIG_FILE, type GatheredFacts, gatherFacts, type Login } from "../enter/gather.ts";
import { HOST_CHECKS } from "../enter/login/host-checks.ts";
import { IN_JAIL_CHECKS } from "../enter/login/in-jail-checks.ts";
import { nearestDirectory } from "../jail/fs/nearest.ts";
import { hostPath, type JailRoot, release } from "../jail/fs/walk.ts";
import { type Group, groupIdsOf, type PasswdEntry, userOrUnknown } from "../system/accounts.ts";
import { type AclReading, aclAt } from "../system/acl.ts";
import { elsewhereHelp } from "../users/own-home.ts";
import { elsewhereOf } from "./home-elsewhere.ts";
import { LOGIN_CHECKS } from "./login-checks.ts";

/** The changes before the login. */
interface PlannedChange {
  /** Ids of groups that the account will join. */
  joins: readonly number[];
  /** The home that will be created, if it does not exist yet. */
  home: FutureHome | undefined;
}

/** A home that does not exist yet, or not yet at its place. */
interface FutureHome {
  stat: Stat | undefined;
  acl: AclReading;
}

/** The home that a directory of the host becomes: it keeps owner, mode and ACL. Throws SystemError. */
export function movedHome(from: ByteString): FutureHome {
  return { stat: statIfPresent(AT_FDCWD, from), acl: aclAt(AT_FDCWD, from) };
}

/** The home that useradd(8) creates in a directory of the jail. */
export function createdHome({ top }: JailRoot, mode: number, { uid, gid }: PasswdEntry): FutureHome {
  return { stat: { ...top.stat, mode: S_IFDIR | mode, uid, gid }, acl: "none" };
}

/** Why jk_chrootsh refuses a home: a printable line, and what helps. */
interface HomeRefusal {
  readonly message: ByteString;
  /** Empty for what cannot be looked at, such as the target of a user's symbolic link. */
  readonly advice: Advice;
}

/** A login of an account, of which only root can ask. */
const loginOf = (account: PasswdEntry, groups: readonly number[]): Login => ({
  ...{
    programName: "jk_chrootsh",
    uid: account.uid,
    gid: account.gid,
    userVariable: account.name,
    asked: true,
  },
  privilege: () => ({ held: "unknown", reason: "not asked", advice: "" }),
  loadSettings: () => knownConfig(CONFIG_FILE),
  account: () => account,
  groups: () => [...groups],
});

/** Checks of what the machine or the jail has for all of its users, which others need. */
const OF_ALL = ["config-file", "jail-reachable"];
/** Those that no other one needs look at the same for each of thousands of users. */
const OWN_CHECKS = LOGIN_CHECKS.filter(({ name }) => !["config-directory", "jail-safety"].includes(name));

/** The checks of a home, and what they need. */
const HOME_CHECKS = [...HOST_CHECKS, ...IN_JAIL_CHECKS.filter(({ name }) => name === "home-entry")];

/** What is known of the groups of an account, and of the account files of its jail. */
interface KnownAccount {
  /** Its supplementary groups. */
  readonly groups: readonly number[];
  /** Its primary group; undefined if the host has none with its gid. */
  readonly group: Group | undefined;
  readonly inJail: InJailFacts;
}

/**
 * Why jk_chrootsh refuses a jailed account by what it has of its own on the host and in the jail, printable; undefined if it
 * does not. Makes the checks of a login with the user's rights, which only root can do.
 */
export function loginFault(account: PasswdEntry, { groups, ...known }: KnownAccount): string | undefined {
  const { uid, gid } = account;
  const fault = withFacts({ ...loginOf(account, groups), known }, (facts) =>
    withRightsOf({ uid, gid, groups }, () =>
      runChecks(facts, OWN_CHECKS).find(
        ({ name, outcome }) => outcome === "failed" && !OF_ALL.includes(name),
      ),
    ),
  );
  return fault && display(fault.message.replace(/^(?:abort, |ERROR: )/, ""));
}

/** Gathers the facts of a login, and closes its jail: thousands of users are asked about. */
function withFacts<T>(login: Login, use: (facts: GatheredFacts) => T): T {
  const facts = gatherFacts(login);
  try {
    return use(facts);
  } finally {
    facts.close();
  }
}

/**
 * The reason why jk_chrootsh would refuse the home of an account; undefined if it would not. Makes the checks of jk_chrootsh
 * with the user's rights, which only root can do.
 */
export function homeRefusal(
  account: PasswdEntry,
  { joins, home }: PlannedChange = { joins: [], home: undefined },
): HomeRefusal | undefined {
  const { name, uid, gid } = account;
  const groups = [...groupIdsOf(name, gid), ...joins];
  const results = withFacts(loginOf(account, groups), (now) => {
    const facts = home === undefined ? now : withHome(now, account, home);
    return withRightsOf({ uid, gid, groups }, () => [...runChecks(facts, HOME_CHECKS)]);
  });
  const fault = results.find((one) => one.name.startsWith("home-") && one.outcome === "failed");
  if (fault === undefined) return undefined;
  // One that is about to come is judged as it will be.
  const elsewhere = home === undefined ? elsewhereOf(account) : undefined;
  if (elsewhere !== undefined) {
    const message = `${display(name)} cannot log in, ${elsewhere.message}`;
    return { message, advice: elsewhereHelp(elsewhere) };
  }
  const message = `${display(name)} cannot log in, ${fault.message.replace(/^abort, /, "")}`;
  return { message, advice: fault.advice ?? "" };
}

/** The same as one line. */
export function homeFault(account: PasswdEntry, planned?: PlannedChange): ByteString | undefined {
  const refusal = homeRefusal(account, planned);
  if (refusal === undefined) return undefined;
  const { message, advice } = refusal;
  return advice === "" ? message : withAdvice(message, advice);
}

/** The facts of a login after the home has come to its path, where nothing exists yet. */
function withHome(facts: GatheredFacts, account: PasswdEntry, { stat, acl }: FutureHome): GatheredFacts {
  return {
    ...facts,
    // Fails if the user cannot reach the path.
    home: () => facts.home() ?? stat,
    homeOwner: () => stat && (stat.uid === account.uid ? account : userOrUnknown(stat.uid)),
    homeAcl: () => acl,
    homeObstacle() {
      if (facts.home() !== undefined) return facts.homeObstacle();
      // Another owner is refused before.
      if (stat === undefined || stat.uid !== account.uid || (stat.mode & 0o100) !== 0) return undefined;
      return { reason: "Permission denied", closed: hostPath(facts.root(), facts.split()?.home ?? "/") };
    },
    onlyRootExchanges(home) {
      // Missing directories will belong to root.
      const above = nearestDirectory(facts.root(), directoryOf(home));
      release(above);
      return above.trusted;
    },
  };
}
