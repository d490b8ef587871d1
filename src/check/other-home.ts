import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { type Advice, inWords } from "../cli/remedy.ts";
import { homeTextAdvice, jailSideRemedy, meantAdvice, orLineOut, takeLinesOut } from "../enter/remedies.ts";
import { isChrootShell } from "../jail/accounts/jailed-users.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { isElsewhere } from "../jail/record/named-jail.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { NOBODY } from "../system/login-defs.ts";
import {
  dirsEqual,
  isHomeIn,
  jailOfHome,
  joinHome,
  livesIn,
  normalHome,
  splitHome,
} from "../system/separator.ts";
import { isInOtherJail } from "../users/jail-side.ts";
import { elsewhereAdvice, elsewhereHelp, homeElsewhere } from "../users/own-home.ts";
import { strayAdvice, strayHome } from "../users/stray-home.ts";
import type { AccountFacts } from "./account-facts.ts";
import type { AskMeant } from "./host.ts";
import { advised, type CheckFinding } from "./rules.ts";

// SYS_UID_MAX of login.defs(5), and nobody
const isSystemAccount = (uid: number): boolean => uid < 1000 || uid === NOBODY;

/** For an account whose jail was moved here, and whose home is in this one. */
function movedAdvice(facts: AccountFacts, { home }: PasswdEntry, real: PasswdEntry): Advice | undefined {
  const there = jailOfHome(real.home);
  if (there === undefined || !dirsEqual(splitHome(real.home)?.home ?? "", home)) return undefined;
  return facts.inJail(home)?.uid === real.uid ? facts.movedHere(real, there) : undefined;
}

/** The finding about a line of a jail that has other ids than the account of the host, `real`; undefined if they are the same. */
export function otherIdsFinding(
  jail: ByteString,
  { name, uid, gid }: PasswdEntry,
  real: PasswdEntry,
): CheckFinding | undefined {
  const path = `${jail}/etc/passwd`;
  if (real.uid === 0) {
    const message = `user ${display(name)} in jail ${display(jail)}/ has uid 0 on the real system`;
    const advice = inWords("a jail cannot hold root: give the account another uid");
    return uid === 0 ? undefined : advised({ rule: "extra-root", path, message }, advice);
  }
  if (real.uid === uid && real.gid === gid) return undefined;
  const message = `user ${display(name)} is changed in jail ${display(jail)}/`;
  return { rule: "user-changed", path, message, remedy: jailSideRemedy(jail, name) };
}

/** What writes the home of an account as a login compares it; undefined if it is so written. */
export function plainHome(
  jail: ByteString,
  { name, home }: PasswdEntry,
  isLocal: (name: ByteString) => boolean,
): Advice | undefined {
  const right = normalHome(home);
  if (isHomeIn(jail, home, splitHome(right)?.home ?? "")) return undefined;
  return homeTextAdvice(right, name, isLocal(name));
}

const differs = (jail: ByteString, name: ByteString) =>
  ({
    rule: "home-differs",
    path: `${jail}/etc/passwd`,
    message: `the real homedir and jail homedir for user ${display(name)} do not correspond in jail ${display(jail)}/`,
  }) as const;

/**
 * The finding about a line of a jail in which its account lives, in another home; undefined if that is the same. `right`: what is to
 * be written in place of the line.
 */
export function otherInsideFinding(
  jail: ByteString,
  entry: PasswdEntry,
  real: PasswdEntry,
  right: (real: PasswdEntry) => Advice | undefined,
): CheckFinding | undefined {
  if (isHomeIn(jail, real.home, entry.home)) return undefined;
  return advised(differs(jail, entry.name), right(real) ?? jailSideRemedy(jail, entry.name));
}

/** The findings about an account of the host, `real`, that has another home than its line in a jail; none if it may. */
export function otherHomeFindings(
  facts: AccountFacts,
  entry: PasswdEntry,
  real: PasswdEntry,
): readonly CheckFinding[] {
  const { jail, isGuest } = facts;
  const { name } = entry;
  if (livesIn(jail, real.home))
    return [
      otherInsideFinding(jail, entry, real, (user) => facts.plainHome(user) ?? facts.strayHere(user)) ?? [],
    ].flat();
  // A system account, such as www-data, is in the jail only for its name.
  const isPlain = splitHome(real.home) === undefined && real.home === entry.home;
  const lent = isPlain && (isSystemAccount(real.uid) || isGuest(real));
  if (lent || isHomeIn(jail, real.home, entry.home)) return [];
  const finding = differs(jail, name);
  const ours = movedAdvice(facts, entry, real) ?? facts.declaredHere(real) ?? facts.strayHere(real);
  if (ours !== undefined) return [advised(finding, ours)];
  const meant = facts.homeMeant(entry, real);
  if (meant !== undefined) return [{ ...advised(finding, meant), otherwise: orLineOut(jail, name) }];
  return [advised(finding, isGuest(real) ? jailSideRemedy(jail, name) : takeLinesOut(jail, name))];
}

/**
 * Who lives in the jail, and whose line has a former name, which somebody else, `real`, has by now: in another jail, or the line tells
 * where the home is that the owner lacks.
 */
export function ownerOfLine(
  facts: AccountFacts,
  { uid }: PasswdEntry,
  real: PasswdEntry,
): LineOwner | undefined {
  if (real.uid === uid) return undefined;
  const owner = facts.hostUserNumbered(uid);
  const stray =
    owner && owner.name !== real.name && livesIn(facts.jail, owner.home) ? facts.strayHere(owner) : undefined;
  if (owner !== undefined && stray !== undefined) return { name: owner.name, stray };
  const name = isInOtherJail(real, { path: facts.jail }) ? facts.lackingUser(uid) : undefined;
  return name === undefined ? undefined : { name, stray: undefined };
}

/** `stray`: what lets the account have its home. */
interface LineOwner {
  readonly name: ByteString;
  readonly stray: Advice | undefined;
}

/** What makes a line right that contradicts the account of its name, and puts nobody who is in another jail into this one. */
export function rightLine(facts: AccountFacts, entry: PasswdEntry, real: PasswdEntry): Advice {
  const owner = ownerOfLine(facts, entry, real);
  if (owner !== undefined) return owner.stray ?? jailSideRemedy(facts.jail, owner.name);
  const [elsewhere] = isInOtherJail(real, { path: facts.jail }) ? otherHomeFindings(facts, entry, real) : [];
  return elsewhere === undefined ? jailSideRemedy(facts.jail, entry.name) : (elsewhere.remedy ?? "");
}

/**
 * What gives an account the home of its line in a jail. It may be meant to be there if its home names no jail, but its shell needs
 * one; and if a directory has it in a jail that is not there: each of its mistakes looks like that.
 */
export function homeMeant(
  jail: ByteString,
  line: PasswdEntry,
  { home, shell }: PasswdEntry,
  isLocal: boolean,
): Advice | undefined {
  const other = jailOfHome(home);
  const isMeant = other === undefined ? isChrootShell(shell) : !isLocal && isElsewhere(other);
  return isMeant ? meantAdvice(jail, line, isLocal) : undefined;
}

/** What ends that an account has its home elsewhere; undefined if no declaration has or had it in the jail. */
export function declaredAdvice(meantOf: AskMeant, name: ByteString, jail: ByteString): Advice | undefined {
  const meant = meantOf.elsewhere(name, jail);
  return meant?.shows ? inWords(`change its directory as this shows: ${meant.command}`) : meant?.command;
}

/** As AccountFacts has it. `recorded`: the home of the record of an account. */
export function elsewhereIn(
  root: JailRoot,
  user: Pick<PasswdEntry, "name" | "uid" | "home">,
  recorded: () => ByteString | undefined,
): ReturnType<AccountFacts["homeElsewhere"]> {
  const found = homeElsewhere({ ...user, home: joinHome(root.path, user.home) }, root, recorded);
  if (found === undefined || found.isNoted) return found && "told";
  const all = elsewhereAdvice({ ...user, home: joinHome(root.path, user.home) }, root.path, found);
  return { message: all.message, remedy: elsewhereHelp(all) };
}

/** What lets an account that is in another jail live in this one, if its home is, or may be, here; else undefined. */
export function strayAdviceIn(jail: ByteString, user: PasswdEntry): Advice | undefined {
  const stray = strayHome(user);
  return stray?.other.jail === jail ? elsewhereHelp(strayAdvice(user, stray)) : undefined;
}
