import type { ByteString } from "../../ffi/bytes.ts";
import { type Check, failed, passed, type Verdict } from "./checks.ts";
import { accountOf, type CallerFacts, type InJailFacts } from "./facts.ts";
import { jailSideRemedy } from "./remedies.ts";

/** The facts of a caller, and the entries in the jail's account files. */
export interface JailAccountFacts extends CallerFacts {
  inJail(): InJailFacts;
}

/** How a program compares the accounts of host and jail. */
interface JailAccountRules<F extends JailAccountFacts> {
  /** The jail's path on the host. */
  jail: (facts: F) => ByteString;
  /** Whether the settings disable the comparison. */
  skip: (facts: F) => boolean;
  /** The exit statuses of the program. */
  statuses: { user: number; group: number; userName: number; groupName: number };
  needs: readonly string[];
}

/** The message of a check that skip_injail_passwd_check disables. */
export const NOT_COMPARED = "not compared, as skip_injail_passwd_check says";

/** The entry in the jail: by name if the caller named the user, else by uid. */
export function entryOf(facts: JailAccountFacts) {
  const { named, numbered } = facts.inJail();
  return facts.userVariable === undefined || facts.userVariable === "" ? numbered : named;
}

const addUser = (facts: JailAccountFacts, jail: ByteString) => jailSideRemedy(jail, accountOf(facts).name);

function judgeUser(facts: JailAccountFacts, jail: ByteString): Verdict {
  const { uid } = facts;
  const file = `${jail}/etc/passwd`;
  const entry = entryOf(facts);
  if (entry === undefined) {
    const what = `failed to get user information in the jail for user ID ${uid}, check ${file}`;
    return failed(`abort, ${what}`, addUser(facts, jail));
  }
  if (entry.uid !== uid) {
    const what = `got user information in the jail for user ID ${entry.uid} instead of user ID ${uid}, check ${file}`;
    return failed(`abort, ${what}`, addUser(facts, jail));
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
 * Each needs the one before it.
 */
export function jailAccountChecks<F extends JailAccountFacts>(rules: JailAccountRules<F>): Check<F>[] {
  const { statuses, needs } = rules;
  const unlessSkipped = (judge: (facts: JailAccountFacts, jail: ByteString) => Verdict) => (facts: F) =>
    rules.skip(facts) ? passed(NOT_COMPARED) : judge(facts, rules.jail(facts));
  return [
    {
      name: "jail-user",
      exitStatus: statuses.user,
      shown: "the account is not known in the jail",
      needs,
      judge: unlessSkipped(judgeUser),
    },
    {
      name: "jail-group",
      exitStatus: statuses.group,
      shown: "the group of the account is not known in the jail",
      needs,
      judge: unlessSkipped(judgeGroup),
    },
    {
      name: "jail-user-name",
      exitStatus: statuses.userName,
      shown: "the account has another name in the jail",
      needs: ["jail-user"],
      judge: unlessSkipped(judgeUserName),
    },
    {
      name: "jail-group-name",
      exitStatus: statuses.groupName,
      shown: "the group of the account has another name in the jail",
      needs: ["jail-group"],
      judge: unlessSkipped(judgeGroupName),
    },
  ];
}
