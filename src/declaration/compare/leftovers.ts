import type { ByteString } from "../../../ffi/bytes.ts";
import { hostPath } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { jailOfHome } from "../../system/separator.ts";
import { linesLeft } from "../../users/jail-side.ts";
import { POLICY_FILE } from "../../users/policy.ts";
import { policiesOf } from "../once.ts";
import { type LeftJail, type OnceUser, uidOf } from "../once-shape.ts";
import { type Machine, settingsDropIn } from "./machine.ts";
import type { OpenJails } from "./open-jails.ts";

/** What a user who is not in a jail has left there: lines in its account files, and rights that apply wrote. */
export interface Leftovers {
  readonly jail: ByteString;
  /** The names of the lines: that of the user, and those that the account had. */
  readonly lines: readonly ByteString[];
  /** The section of the jail's jk_lsh.ini, and that of the machine's jk_chrootsh.ini. */
  readonly policy: boolean;
  readonly settings: boolean;
}

/** Where users are looked up. */
export interface Places {
  readonly machine: Machine;
  readonly jails: OpenJails;
  /** The jails of the users who are declared now. */
  readonly declared: ReadonlyMap<ByteString, ByteString>;
  /** What was declared once. */
  readonly known: ReadonlyMap<ByteString, OnceUser>;
}

/** What a user has left in a jail; undefined while the account is there. Throws for what is not known. */
export function leftoversOf(
  once: OnceUser,
  { jail, policy }: LeftJail,
  { machine, jails, declared, known }: Places,
  isGone: boolean,
): Leftovers | undefined {
  const { name, created } = once;
  const account = machine.accounts.userByName(name);
  const there = account && jailOfHome(account.home);
  if (there === jail) return undefined;
  const isLast = isGone && jail === once.jail && policiesOf(once).includes(false);
  const settings = isLast && machine.settingsOf(name)?.file === settingsDropIn(name);
  // They limit an account that is in another jail.
  if (settings && there !== undefined) return undefined;
  const { state, root, inside } = jails.get(jail);
  if (root === undefined)
    return state.exists || state.fault ? undefined : { jail, lines: [], policy: false, settings };
  const line = inside.accounts?.userByName(name);
  const uid = account?.uid ?? created ?? line?.uid;
  // It may be hidden by one of its name.
  const isOwn = line !== undefined && [uid, created, once.uid].includes(line.uid);
  const heir = isOwn && account?.uid !== line.uid ? machine.accounts.userByUid(line.uid) : undefined;
  // Of an account that has another name now, is there, and has no line yet: that one gets it.
  const isNamed =
    heir !== undefined &&
    declared.get(heir.name) === jail &&
    (once.directory || jailOfHome(heir.home) === jail) &&
    !inside.accounts?.userByName(heir.name);
  const isRight = policy && inside.policyOf(name)?.file === hostPath(root, POLICY_FILE);
  // If that fails, the line is of the other name.
  if (isNamed && !(isRight || settings)) return undefined;
  const former = account === undefined ? [] : linesLeft(inside.accounts ?? { users: [] }, account, root);
  // It gets the uid of who comes here with this name, or goes with what is known of that.
  const isOther = (one: PasswdEntry) =>
    declared.get(one.name) !== jail && uidOf(known.get(one.name)) !== one.uid;
  const others = former.filter(isOther).map((one) => one.name);
  return { jail, lines: isOwn && !isNamed ? [name, ...others] : others, policy: isRight, settings };
}
