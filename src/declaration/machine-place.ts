import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { readKeys } from "../config/keys.ts";
import { type Fix, findEntry, type IniSection, keyPlace, type Problem } from "../config/model.ts";
import { userKeys } from "../config/schemas/jails.ts";
import { neverHome, usualHome } from "../jail/accounts/home-place.ts";
import type { JailedUser } from "../jail/accounts/jailed-users.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { dirsEqual, jailOfHome, joinHome, normalHome, splitHome } from "../system/separator.ts";
import { homeDirectoryFault } from "../users/directory.ts";
import { groupOf } from "../users/groups.ts";
import { homeFor } from "../users/jail-side.ts";
import { uidIn } from "../users/new-account.ts";
import { LIMITED_SHELL } from "../users/open-jail.ts";
import { otherHome } from "../users/own-home.ts";
import type { FaultText } from "./change.ts";
import { claimsOf, declaredPlace } from "./claims.ts";
import { leadsInto, placeFault } from "./compare/account-place.ts";
import { misplacedText } from "./compare/directory-says.ts";
import { type HomeDiffers, holderOf, sharesHome } from "./compare/home-differs.ts";
import { renamedFault } from "./compare/lost-name.ts";
import { membershipFault } from "./compare/membership.ts";
import { newName } from "./compare/not-declared.ts";
import { otherNameFault } from "./compare/other-name.ts";
import { lineUidFault, orRename, renameAdvice, sharedUidFault } from "./compare/uid-fault.ts";
import type { FactContext } from "./machine-facts.ts";
import { itemsOf, type Subject } from "./section.ts";

/** What was declared of a user once, whom nothing declares any more. */
export function formerUser(name: ByteString, { facts, users, isOwnFile }: FactContext) {
  const once = users.has(name) ? undefined : answered(() => facts.userOnce(name));
  return once !== undefined && isOwnFile(once.file) ? once : undefined;
}

/**
 * Reports an account that somebody has given another name than the declared one, or that of another account: then nothing else is
 * wrong with it.
 */
export function reportRenamed(
  section: IniSection,
  subject: Subject,
  { facts, report, users, sections }: FactContext,
): boolean {
  const { name } = subject;
  const { directory = false, jail = "", uid, home = usualHome(name) } = readKeys(section, userKeys);
  const place = { ...subject, section };
  const user = { name, jail, directory, home, uid: uidIn(uid ?? ""), place };
  const isDeclared = (one: ByteString) => users.has(one);
  const fault = answered(() => {
    if (jail === "") return undefined;
    const account = facts.userByName(name);
    const other = otherNameFault(user, account, isDeclared);
    if (other !== undefined) return other;
    const doubt = facts.exchanged(user, (one) =>
      isDeclared(one) ? declaredPlace(one, sections) : undefined,
    );
    if (account !== undefined || doubt !== undefined) return doubt;
    return renamedFault(user, facts.jailAccounts(jail), { accounts: facts, isDeclared });
  });
  if (fault === undefined) return false;
  const { severity, code, message, fix } = renamedProblem(name, fault);
  report(section, severity, code, message, fix);
  return true;
}

/** The problem of a user whose account has another name now. Pure. */
export function renamedProblem(
  name: ByteString,
  { message, remedy = "" }: Pick<FaultText, "message" | "remedy">,
): Pick<Problem, "severity" | "message" | "fix"> & { readonly code: "taken" } {
  const fix: Fix = remedy === "" ? { kind: "none" } : { kind: "command", text: remedy };
  return { severity: "error", code: "taken", message: `${quoted(name)}: ${message}`, fix };
}

/**
 * Reports where an account is now, or would be, and not as declared, with what a directory would refuse. `ofJail`: who lives in
 * the jail.
 */
export function reportPlace(
  section: IniSection,
  { name }: Subject,
  ofJail: readonly JailedUser[],
  context: FactContext,
): void {
  const { facts, report, users, sections } = context;
  const { directory = false, jail = "", home } = readKeys(section, userKeys);
  const account = answered(() => facts.userByName(name));
  if (account === undefined || account.uid === 0 || jail === "") return;
  const isLocal = answered(() => facts.userNames().includes(name));
  if (isLocal !== !directory) return;
  const declared = { name, jail, home: home ?? usualHome(name), directory };
  // One of a directory keeps its home, without a declared one.
  const fault =
    directory && home === undefined
      ? undefined
      : placeFault(declared, account, {
          isUsual: home === undefined,
          other: () =>
            sharesHome(account, jail, {
              byJail: new Map([[jail, ofJail]]),
              claimants: () => claimsOf(sections),
            }),
          holder: () => holderOf(declared, ofJail, (one) => users.has(one)),
        });
  const shown = `the account ${quoted(name)}`;
  // As in a run, nothing else is told of an account that may be another one.
  const shared = sharedFault(section, account, facts);
  const isOutside = !directory && splitHome(account.home) === undefined;
  const foreign = isOutside ? answered(() => facts.hostHomeFault(account, jail)) : undefined;
  if (shared !== undefined)
    report(section, "error", "taken", `${quoted(name)}: ${shared.message}`, fixBy(shared.remedy));
  else if (foreign !== undefined)
    report(section, "error", foreign.code, `${quoted(name)} ${foreign.message}`, { kind: "none" });
  else if (fault?.code === "in-another-jail") {
    reportElsewhere(section, account, jail, fault, context);
  } else if (fault !== undefined) {
    reportOtherHome(section, account, jail, fault, context);
  } else if (isOutside) reportMissingHome(section, account, jail, context);
  if (!directory) return;
  const seen = home ?? homeFor(account, jail);
  const never = home === undefined ? neverHome(seen) : undefined;
  if (never !== undefined) {
    const message = `${shown} would have the home ${quoted(seen)} in the jail, which ${never}: ${otherHome(account, { path: jail }, seen)}`;
    report(section, "error", "bad-account", message, { kind: "none" });
  }
  reportMembership(section, account, { facts, report });
  const misplaced = (fault ?? shared ?? never) ? undefined : misplacedText({ jail }, account);
  if (misplaced !== undefined) {
    const message = `${quoted(name)}: ${misplaced}; what it should have is shown by: jailkit apply --check`;
    report(section, "warning", "directory-differs", message, { kind: "none" });
  }
  const whole = joinHome(jail, seen);
  const refused = account.home === whole ? undefined : homeDirectoryFault(whole);
  if (refused !== undefined) {
    const isJail = homeDirectoryFault(jail) !== undefined;
    report(keyPlace(section, isJail ? "jail" : "home"), "warning", "not-ascii", refused, { kind: "none" });
  }
}

/** Why an account gets nothing, since its uid is that of another one, or not that of its home. */
const sharedFault = (section: IniSection, account: PasswdEntry, facts: FactContext["facts"]) =>
  answered(() => {
    const { directory = false, uid = "", jail = "" } = readKeys(section, userKeys);
    const { uidOwners, jailAccounts } = facts;
    const shared = sharedUidFault({ directory, uid: uidIn(uid) }, account, uidOwners);
    if (shared !== undefined || directory || uidIn(uid) === account.uid) return shared;
    const line = jailAccounts(jail)?.userByName(account.name);
    return line && line.uid !== account.uid ? lineUidFault(jail, line, account, uidOwners) : undefined;
  });

const fixBy = (remedy: Remedy | undefined): Fix =>
  remedy === undefined ? { kind: "none" } : { kind: "command", text: remedy };

/** Reports a uid that is that of a home which stayed when another account went, or of a declared user without an account. */
export function reportKept(
  section: IniSection,
  name: ByteString,
  uid: number | undefined,
  account: PasswdEntry | undefined,
  { facts, report }: FactContext,
): void {
  const { jail = "", home = usualHome(name), directory = false } = readKeys(section, userKeys);
  // Without an account, it is the directory that says it.
  if (jail === "" || uid === undefined || uid === 0 || (account === undefined && directory)) return;
  const fault = answered(() =>
    // Of such a uid it is told with the place.
    account !== undefined && sharedFault(section, account, facts) !== undefined
      ? undefined
      : facts.keptHome({ name, jail, home, directory }, uid, account),
  );
  if (fault === undefined) return;
  const { code, message, remedy } = fault;
  const fix = fixBy(remedy);
  const place = keyPlace(section, "uid");
  if (code === "uid-taken") report(place, "error", "taken", `${quoted(name)}: ${message}`, fix);
  else report(place, "error", "kept-home", message, fix);
}

/** Reports an account in no jail whose home is missing, so that it cannot move. */
function reportMissingHome(
  section: IniSection,
  account: PasswdEntry,
  jail: ByteString,
  { facts, report }: FactContext,
): void {
  const { shell = LIMITED_SHELL } = readKeys(section, userKeys);
  const groups = itemsOf(section, "groups").map(({ value }) => value);
  const fault = answered(() => facts.missingHome(account, { jail, shell, groups }));
  if (fault === undefined) return;
  const { message, remedy = "" } = fault;
  const fix: Fix = { kind: "command", text: remedy };
  report(section, "error", "no-home", `${quoted(account.name)}: ${message}`, fix);
}

/** Reports an account that is in another jail than the declared one, or in one that has this name now in the files alone. */
function reportElsewhere(
  section: IniSection,
  account: PasswdEntry,
  jail: ByteString,
  fault: { readonly message: string; readonly remedy: Remedy | undefined },
  { facts, report, declared, isOwnFile, mayBeMoved }: FactContext,
): void {
  // Of the jail it is told what that may be.
  if (mayBeMoved().some((one) => one.jail === jail)) return;
  const there = jailOfHome(account.home) ?? "/";
  // The same jail by another path, which is an error of the jail, if it is that path which is declared.
  const isSame = answered(() => facts.placeOf(there) === facts.placeOf(jail)) === true;
  if (isSame && !leadsInto(there, jail)) return;
  const once = declared.includes(there) ? undefined : answered(() => facts.declaredOnce(there));
  const isThere = (path: ByteString) => answered(() => facts.exists(path));
  const isRenamed =
    once !== undefined &&
    isOwnFile(once) &&
    declared.includes(jail) &&
    isThere(jail) === false &&
    isThere(there) === true;
  const renamed = isRenamed ? newName(account.name, there, jail) : undefined;
  const shown = renamed === undefined ? `the account ${quoted(account.name)}` : `the jail ${quoted(jail)}:`;
  const stray = () => answered(() => facts.strayFaultOf(account, facts.userOnce(account.name), jail));
  const { message, remedy } = renamed ?? stray() ?? fault;
  const fix = fixBy(remedy);
  report(keyPlace(section, "jail"), "error", "in-another-jail", `${shown} ${message}`, fix);
}

/** Reports an account that has another home than the declared one; by an older passwd(5), that may not be there. */
function reportOtherHome(
  section: IniSection,
  account: PasswdEntry,
  jail: ByteString,
  fault: HomeDiffers,
  { facts, report }: FactContext,
): void {
  const { name } = account;
  const stray = answered(() => facts.strayFaultOf(account, facts.userOnce(name), jail));
  const fix = stray === undefined ? fixOf(section, fault) : fixBy(stray.remedy);
  const { message } = stray ?? fault;
  report(keyPlace(section, "home"), "error", fault.code, `the account ${quoted(name)} ${message}`, fix);
}

function fixOf(section: IniSection, { home, give }: HomeDiffers): Fix {
  if (home === undefined) return give === undefined ? { kind: "none" } : { kind: "command", text: give };
  return findEntry(section, "home") === undefined
    ? { kind: "in-section", section: section.name, lines: [`home = ${home}`] }
    : { kind: "value", text: home };
}

/** Groups that an account of a directory is not in: only by hand does it get there. */
function reportMembership(
  section: IniSection,
  account: PasswdEntry,
  { facts, report }: Pick<FactContext, "facts" | "report">,
): void {
  for (const item of itemsOf(section, "groups")) {
    const lacks = answered(() => {
      const group = groupOf(item.value, facts);
      const isHere = group !== undefined && facts.groupNames().includes(group.name);
      return isHere && ![account.gid, ...facts.groupsOf(account)].includes(group.gid) ? group : undefined;
    });
    if (lacks === undefined) continue;
    const { message, command } = membershipFault(account.name, [lacks]);
    const text = `${quoted(account.name)} ${message}`;
    report(item, "error", "not-a-member", text, { kind: "command", text: command });
  }
}

/** A home that another account has, which is not declared itself. */
export function reportHome(
  section: IniSection,
  subject: Subject,
  ofJail: readonly JailedUser[],
  declaredUsers: ReadonlySet<ByteString>,
  context: FactContext,
): void {
  const { name } = subject;
  const { facts, report } = context;
  const {
    directory,
    jail = "",
    home = directory ? undefined : usualHome(name),
  } = readKeys(section, userKeys);
  if (home === undefined) return;
  // It is there as declared, whoever else has that home.
  const account = answered(() => facts.userByName(name));
  if (account !== undefined && dirsEqual(normalHome(account.home), joinHome(jail, home))) return;
  const other = ofJail.find(
    (one) => !declaredUsers.has(one.name) && dirsEqual(splitHome(one.home)?.home ?? "", home),
  );
  if (other === undefined) return;
  const isNew = account === undefined && directory !== true;
  const formerly = (one: ByteString) => formerUser(one, context);
  const rename = isNew ? renameAdvice(other, { declared: { name, jail }, formerly }) : undefined;
  const advice = orRename("name another one with the key 'home'", rename);
  const message = `${quoted(home)} is the home of ${quoted(other.name)} in this jail: ${advice}`;
  const fix: Fix = rename === undefined ? { kind: "none" } : { kind: "command", text: rename.remedy };
  report(keyPlace(section, "home"), "error", "taken", message, fix);
}
