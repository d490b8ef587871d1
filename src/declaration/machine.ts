import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { didYouMean, sameNumbers, suggest } from "../cli/suggest.ts";
import { readKeys } from "../config/keys.ts";
import {
  type Fix,
  findEntry,
  type IniFile,
  type IniSection,
  keyPlace,
  type Problem,
} from "../config/model.ts";
import { userKeys } from "../config/schemas/jails.ts";
import { insideJail } from "../jail/record/around.ts";
import { isLocalUser } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { uidFault } from "../transfer/accounts.ts";
import { newNameFault, uidIn } from "../users/new-account.ts";
import { claimsOf } from "./claims.ts";
import { DECLARED } from "./compare/intent.ts";
import { EMPTY_JAIL } from "./compare/jail.ts";
import { hiddenBy, localText } from "./compare/local-too.ts";
import { goneText } from "./compare/lost-name.ts";
import { once } from "./compare/machine.ts";
import { twinFaults } from "./compare/twins.ts";
import { otherUidText, renameAdvice } from "./compare/uid-fault.ts";
import { linkFix } from "./link-fix.ts";
import type { DeclarationFacts, FactContext } from "./machine-facts.ts";
import type { ReportMachine } from "./machine-findings.ts";
import { reportGroupNames, reportGroups, reportNoGroup, takenNames } from "./machine-groups.ts";
import { mayBeMovedAmong, reportMayBeMoved } from "./machine-moved.ts";
import { formerUser, reportHome, reportKept, reportPlace, reportRenamed } from "./machine-place.ts";
import { reportRefused, reportUnanswered } from "./machine-refused.ts";
import { reportLacked, reportLostSections, reportProfiles } from "./machine-sections.ts";
import { type MeantAt, meantSubjects, namesOfKind, withoutRepeated } from "./meant.ts";
import { itemsOf, type Subject, subjectOf } from "./section.ts";

/** Why the path of a jail cannot be one, or should not. */
function reportPath(subject: Subject, context: FactContext): void {
  const { facts, report, isJail, twinOf } = context;
  const own = answered(() => facts.hostDirectory(subject.name));
  if (own !== undefined) {
    const message = `${quoted(subject.name)} is the host's ${own}, which cannot be a jail`;
    report(subject, "error", "bad-path", message, { kind: "none" });
  }
  const isNew = answered(() => !facts.jails().includes(subject.name)) ?? false;
  const ofSystem = own === undefined && isNew ? answered(() => facts.systemFault(subject.name)) : undefined;
  if (ofSystem !== undefined)
    report(subject, "error", "bad-path", `${quoted(subject.name)} ${ofSystem}`, { kind: "none" });
  const link = own === undefined ? answered(() => facts.linkIn(subject.name)) : undefined;
  if (link !== undefined) {
    const message = `${quoted(subject.name)} leads through the symbolic link ${quoted(link)}: ${facts.nameTarget(link)}`;
    report(subject, "error", "bad-path", message, linkFix(subject, context));
  }
  const isPlace = own === undefined && link === undefined;
  const noPlace = isPlace ? answered(() => facts.newJailFault(subject.name)) : undefined;
  if (noPlace !== undefined)
    report(subject, "error", "bad-path", `${quoted(subject.name)} cannot be a jail: ${noPlace}`, {
      kind: "none",
    });
  const twin = link === undefined ? answered(() => twinOf(subject.name)) : undefined;
  if (twin !== undefined)
    report(subject, "error", "another-jail", `the jail ${quoted(subject.name)} ${twin}`, { kind: "none" });
  const outer = answered(() => facts.jailAround(subject.name, isJail));
  if (outer !== undefined) {
    const message = `the jail ${quoted(subject.name)} ${insideJail(subject.name, outer)}`;
    report(subject, "warning", "inside-jail", message, { kind: "none" });
  }
}

function reportJail(section: IniSection, subject: Subject, isLost: boolean, context: FactContext): void {
  const { facts } = context;
  reportPath(subject, context);
  if (reportMayBeMoved(subject, context)) {
    // Nothing else is known of it.
  } else if (answered(() => facts.exists(subject.name)) === false) reportAbsent(section, subject, context);
  else reportMoved(subject, context);
  const profiles = isLost ? undefined : answered(facts.profiles);
  if (profiles !== undefined) reportProfiles(itemsOf(section, "sections"), profiles, context);
  reportLacked(section, context);
}

/** A jail that is not where it was. */
function reportMoved(subject: Subject, { facts, report }: FactContext): void {
  const fault = answered(() => facts.movedFault(subject.name));
  if (fault === undefined) return;
  const { code, message, remedy = "" } = fault;
  const fix: Fix = remedy === "" ? { kind: "none" } : { kind: "command", text: remedy };
  report(subject, "error", code, `the jail ${quoted(subject.name)}: ${message}`, fix);
}

/** A jail that does not exist, and cannot be created. */
function reportAbsent(section: IniSection, subject: Subject, context: FactContext): void {
  const { facts, report } = context;
  const fault = answered(() => facts.absentFault(subject.name));
  const shown = `the jail ${quoted(subject.name)}`;
  if (fault !== undefined) {
    const { code, message, remedy } = fault;
    report(subject, "error", code, `${shown}: ${message}`, { kind: "command", text: remedy });
  } else reportMoved(subject, context);
  if (fault === undefined && section.entries.every(({ key }) => key === "log_socket" || key === "proc"))
    // Another key may be one of these, misspelt.
    report(subject, "error", "empty-jail", `${shown}: ${EMPTY_JAIL}`, { kind: "none" });
}

/** What is wrong with a known jail that nothing declares; undefined for one that others take care of. */
function whyNotDeclared(
  jail: ByteString,
  { facts, isOwnFile }: Pick<FactContext, "facts" | "isOwnFile">,
): { readonly severity: "error" | "warning"; readonly what: string } | undefined {
  if (answered(() => facts.exists(jail)) === false) return { severity: "error", what: "does not exist" };
  const once = answered(() => facts.declaredOnce(jail));
  return once !== undefined && isOwnFile(once)
    ? { severity: "warning", what: `was once, in ${quoted(once)}` }
    : undefined;
}

function reportUserJail(
  section: IniSection,
  jail: ByteString,
  { facts, report, declared, isOwnFile }: FactContext,
): void {
  if (declared.includes(jail)) return;
  const known = answered(facts.jails);
  if (known === undefined) return;
  if (known.includes(jail)) {
    const why = whyNotDeclared(jail, { facts, isOwnFile });
    if (why === undefined) return;
    const { severity, what } = why;
    const message = `the jail ${quoted(jail)} is not declared, and ${what}: declare it with [jail ${display(jail)}], or name another one`;
    report(keyPlace(section, "jail"), severity, "unknown-jail", message, { kind: "none" });
    return;
  }
  const all = sameNumbers(jail, [...declared, ...known]);
  const near = suggest(jail, all);
  const message = `the jail ${quoted(jail)} is neither declared nor known: declare it with [jail ${display(jail)}], or name another one${didYouMean(jail, all)}`;
  const fix: Fix = near === undefined ? { kind: "none" } : { kind: "value", text: near };
  report(keyPlace(section, "jail"), "error", "unknown-jail", message, fix);
}

/**
 * What contradicts the account of a name, or keeps useradd(8) from creating it. Returns whether it may be an account of another
 * name, whose home it then has.
 */
function reportAccount(section: IniSection, subject: Subject, context: FactContext): boolean {
  const { facts, report } = context;
  const { name } = subject;
  const { directory = false } = readKeys(section, userKeys);
  const found = answered(() => ({ user: facts.userByName(name) }));
  const local = answered(facts.userNames);
  if (found === undefined || local === undefined) return false;
  const { user } = found;
  // One that another command has created by now is not in what was read before.
  const isLocal = local.includes(name) || (user !== undefined && !directory && isLocalUser(name));
  const fault = user === undefined ? undefined : uidFault(user.uid);
  const refused = user === undefined && !directory ? newNameFault(name, DECLARED) : undefined;
  if (fault !== undefined) report(subject, "error", "bad-account", `${quoted(name)}: ${fault}`);
  else if (refused !== undefined) report(subject, "error", "bad-account", refused);
  else if (user === undefined && directory) {
    report(subject, "warning", "not-in-directory", `${quoted(name)}: ${goneText(name)}`);
  } else if (user !== undefined && directory === isLocal) {
    if (isLocal) reportLocal(section, user, context);
    else {
      const message = `the account ${quoted(name)} is in another name service than /etc/passwd: 'directory = yes'`;
      const place = findEntry(section, "directory") === undefined ? subject : keyPlace(section, "directory");
      report(place, "error", "contradiction", message, directoryFix(section, "yes"));
    }
  }
  return reportUid(section, subject, user, context);
}

function directoryFix(section: IniSection, wanted: "yes" | "no"): Fix {
  return findEntry(section, "directory") === undefined
    ? { kind: "in-section", section: section.name, lines: [`directory = ${wanted}`] }
    : { kind: "value", text: wanted };
}

/** Reports an account of /etc/passwd that is declared as one of a directory. */
function reportLocal(section: IniSection, user: PasswdEntry, { facts, report }: FactContext): void {
  const { jail = "" } = readKeys(section, userKeys);
  const hidden = hiddenBy(user, {
    once: answered(() => facts.userOnce(user.name)),
    uidInJail: jail === "" ? undefined : answered(() => facts.jailAccounts(jail).userByName(user.name)?.uid),
    userByUid: facts.userByUid,
  });
  const message = `the account ${quoted(user.name)} ${localText(user, hidden, "'directory = no'")}`;
  // It may be another account.
  const fix: Fix = hidden === undefined ? directoryFix(section, "no") : { kind: "none" };
  report(keyPlace(section, "directory"), "error", "contradiction", message, fix);
}

/** A uid that the account does not have, or another one has. Returns the same. */
function reportUid(
  section: IniSection,
  { name }: Subject,
  user: PasswdEntry | undefined,
  context: FactContext,
): boolean {
  const { facts, report } = context;
  const { jail = "", uid: text = "" } = readKeys(section, userKeys);
  const uid = uidIn(text);
  const place = keyPlace(section, "uid");
  if (user !== undefined && (uid ?? user.uid) === user.uid)
    reportKept(section, name, user.uid, user, context);
  if (uid === undefined) return false;
  const owner = answered(() => facts.userByUid(uid));
  if (user !== undefined && user.uid !== uid) {
    const claims = { accounts: facts, claimants: () => claimsOf(context.sections) };
    const other = answered(() => otherUidText({ name, uid }, user, claims));
    if (other !== undefined) {
      report(place, "error", "taken", `${quoted(name)} ${other}`, { kind: "none" });
      return owner !== undefined;
    }
    const message = `${quoted(name)} has the uid ${user.uid} on this machine`;
    report(place, "error", "taken", message, { kind: "value", text: `${user.uid}` });
  }
  if (user === undefined && owner === undefined) reportKept(section, name, uid, undefined, context);
  if (user !== undefined || owner === undefined) return false;
  const formerly = (one: ByteString) => formerUser(one, context);
  const rename = renameAdvice(owner, { declared: { name, jail }, formerly });
  const message = `the uid ${uid} belongs to ${quoted(owner.name)} on this machine`;
  if (rename === undefined) report(place, "error", "taken", message, { kind: "none" });
  else
    report(place, "error", "taken", `${message}; ${rename.advice}`, { kind: "command", text: rename.remedy });
  return rename !== undefined;
}

/**
 * Where a declaration does not fit this machine: sections, files, groups, jails and accounts that it lacks or that are other
 * ones. `others`: what files besides this one declare. `asked`: the sections that are looked at; all by default. What the text
 * itself shows is declarationIn's. Pure but for the facts.
 */
export function machineProblems(
  ini: IniFile,
  facts: DeclarationFacts,
  others: readonly MeantAt[] = [],
  asked: ReadonlySet<IniSection> = new Set(ini.sections),
): Problem[] {
  const problems: Problem[] = [];
  const report: ReportMachine = ({ file, line, column }, severity, code, message, fix) => {
    problems.push({ file, line, column, severity, code, message, ...(fix && { fix }) });
  };
  const subjects = ini.sections.flatMap((section) => {
    const subject = subjectOf(section);
    return subject === undefined ? [] : [{ section, subject }];
  });
  const meant = meantSubjects(ini);
  const declared = namesOfKind([...meant, ...others], "jail");
  const known = once((): ReadonlySet<ByteString> => new Set(answered(facts.jails)));
  const isJail = (path: ByteString) => declared.has(path) || known().has(path);
  const twins = once(() => twinFaults({ declared, known: known() }, facts.placeOf));
  const twinOf = (path: ByteString) => twins()(path);
  const files = new Set(ini.texts.map(({ file }) => file));
  const about = {
    ...{ facts, report, sections: ini.sections, declared: [...declared], isJail, twinOf },
    users: namesOfKind([...meant, ...others], "user"),
    isOwnFile: (file: ByteString) => files.has(file) || answered(() => facts.exists(file)) === false,
  };
  const context: FactContext = { ...about, mayBeMoved: mayBeMovedAmong(subjects, about) };
  const byJail = Map.groupBy(answered(facts.jailedUsers) ?? [], ({ jail }) => jail);
  const users = namesOfKind(meant, "user");
  const takenIn = takenNames(subjects, (jail) => byJail.get(jail) ?? [], facts);
  const looked = withoutRepeated(subjects, others, report).filter(({ section }) => asked.has(section));
  reportUnanswered(
    looked.filter(({ subject }) => subject.kind === "user"),
    context,
  );
  const isLost = reportLostSections(subjects, context);
  for (const { section, subject } of looked) {
    if (subject.kind === "jail") {
      reportJail(section, subject, isLost, context);
      continue;
    }
    const jail = findEntry(section, "jail")?.value ?? "";
    if (jail !== "") reportUserJail(section, jail, context);
    reportGroups(section, context, () => facts.userOnce(subject.name));
    reportRefused(section, subject, context);
    if (reportRenamed(section, subject, context) || reportAccount(section, subject, context)) continue;
    reportPlace(section, subject, byJail.get(jail) ?? [], context);
    const account = answered(() => facts.userByName(subject.name));
    if (account !== undefined) reportNoGroup(section, account, context);
    reportGroupNames(section, account, takenIn(jail), context);
    reportHome(section, subject, byJail.get(jail) ?? [], users, context);
  }
  return problems;
}
