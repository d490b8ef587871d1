import type { ByteString } from "../../ffi/bytes.ts";
import type { Advice } from "../cli/remedy.ts";
import { type Check, check, failed, passed, type Verdict } from "./checks.ts";
import { accountOf, type CallerFacts, type InJailFacts } from "./facts.ts";
import { jailSideRemedy } from "./remedies.ts";

/** The facts of a caller, and the entries in the jail's account files. */
export interface JailAccountFacts extends CallerFacts {
  inJail(): InJailFacts;
}

/** How a program compares the accounts of host and jail. */
interface Comparison<F> {
  /** The jail's path on the host. */
  jail: (facts: F) => ByteString;
  /** Whether the settings disable the comparison. */
  skip: (facts: F) => boolean;
  /** What is advised instead of a line with the uid of the account; undefined for the usual. */
  otherUid?: (facts: F) => Advice | undefined;
}

/** A judge of both sides. `jail`: its path on the host. */
type JudgeBoth<F> = (facts: F, jail: ByteString) => Verdict;

/** A judge that the settings can disable. */
export function unlessSkipped<F>({ jail, skip }: Comparison<F>, judge: JudgeBoth<F>): (facts: F) => Verdict {
  return (facts) =>
    skip(facts) ? passed("not compared, as skip_injail_passwd_check says") : judge(facts, jail(facts));
}

/** The entry in the jail: by name if the caller named the user, else by uid. */
export function entryOf(facts: JailAccountFacts) {
  const { named, numbered } = facts.inJail();
  return facts.userVariable === undefined || facts.userVariable === "" ? numbered : named;
}

/** Makes the account's lines in the jail agree with the host. */
export const addUser = (facts: JailAccountFacts, jail: ByteString) =>
  jailSideRemedy(jail, accountOf(facts).name);

function judgeUser(facts: JailAccountFacts, jail: ByteString, instead: () => Advice | undefined): Verdict {
  const { uid } = facts;
  const advice = () => instead() ?? addUser(facts, jail);
  const file = `${jail}/etc/passwd`;
  const entry = entryOf(facts);
  if (entry === undefined) {
    const what = `failed to get user information in the jail for user ID ${uid}, check ${file}`;
    return failed(`abort, ${what}`, advice());
  }
  if (entry.uid !== uid) {
    const what = `got user information in the jail for user ID ${entry.uid} instead of user ID ${uid}, check ${file}`;
    return failed(`abort, ${what}`, advice());
  }
  return passed(`${file} has ${entry.name} (${uid})`);
}

function judgeGroup(facts: JailAccountFacts, jail: ByteString): Verdict {
  const file = `${jail}/etc/group`;
  const group = facts.inJail().group;
  if (group !== undefined) return passed(`${file} has ${group.name} (${group.gid})`);
  const what = `failed to get group information in the jail for group ID ${facts.gid}, check ${file}`;
  return failed(`abort, ${what}`, addUser(facts, jail));
}

function judgeUserName(facts: JailAccountFacts, jail: ByteString): Verdict {
  const { name, uid } = accountOf(facts);
  const file = `${jail}/etc/passwd`;
  const inside = entryOf(facts)?.name ?? "";
  if (inside === name) return passed(`user name ${name} on both sides`);
  const what = `username ${name} differs from jail username ${inside} for user ID ${uid}, check /etc/passwd and ${file}`;
  return failed(`abort, ${what}`, addUser(facts, jail));
}

function judgeGroupName(facts: JailAccountFacts, jail: ByteString): Verdict {
  const file = `${jail}/etc/group`;
  const name = facts.group()?.name ?? "";
  const inside = facts.inJail().group?.name ?? "";
  if (inside === name) return passed(`group name ${name} on both sides`);
  const what = `groupname ${name} differs from jail groupname ${inside} for group ID ${facts.gid}, check /etc/group and ${file}`;
  return failed(`abort, ${what}`, addUser(facts, jail));
}

/**
 * The checks that user and primary group have the same ids and names on both sides, in the order of jailkit 2.23.
 * Each needs the one before it; `needs`: the checks before them.
 */
export function jailAccountChecks<F extends JailAccountFacts>(
  both: Comparison<F>,
  needs: readonly string[],
): Check<F>[] {
  const row = (
    name: string,
    exitStatus: number,
    shown: string,
    before: readonly string[],
    judge: JudgeBoth<F>,
  ) => check(name, exitStatus, shown, before, unlessSkipped(both, judge));
  const judgeUid = (facts: F, jail: ByteString) => judgeUser(facts, jail, () => both.otherUid?.(facts));
  const otherGroup = "the group of the account has another name in the jail";
  return [
    row("jail-user", 35, "the account is not known in the jail", needs, judgeUid),
    row("jail-group", 35, "the group of the account is not known in the jail", needs, judgeGroup),
    row("jail-user-name", 37, "the account has another name in the jail", ["jail-user"], judgeUserName),
    row("jail-group-name", 37, otherGroup, ["jail-group"], judgeGroupName),
  ];
}
