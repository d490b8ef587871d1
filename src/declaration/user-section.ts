import type { ByteString } from "../../ffi/bytes.ts";
import { normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { describedBy, readKeys } from "../config/keys.ts";
import {
  type Fix,
  findEntry,
  type IniEntry,
  type IniSection,
  type Problem,
  valuePlace,
} from "../config/model.ts";
import { confineKeys, confineProblem } from "../config/schemas/confine.ts";
import { declaredUserKeys, jailKeys, policyKeys, userKeys } from "../config/schemas/jails.ts";
import { commentInValue } from "../config/section-problems.ts";
import { COMMENT_BEHIND } from "../config/text.ts";
import type { ListItem } from "../config/values.ts";
import { usualHome } from "../jail/accounts/home-place.ts";
import { isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { readCommands } from "../limited-shell/command-pattern.ts";
import { nameFault } from "../system/account-name.ts";
import { commentFault } from "../system/passwd-line.ts";
import { joinHome } from "../system/separator.ts";
import { homeFault, shellFault, uidFault } from "../transfer/accounts.ts";
import { fieldFault, uidIn } from "../users/new-account.ts";
import { LIMITED_SHELL } from "../users/open-jail.ts";
import { CHROOT_SHELL } from "../users/plan.ts";
import { readKeyLines } from "./key-section.ts";
import type { DeclaredUser } from "./model.ts";
import {
  commentInHeader,
  itemsOf,
  lengthFault,
  pathItemProblem,
  pathProblem,
  problemAt,
  quotesProblem,
  type Subject,
  separatorProblems,
  tableProblems,
  twice,
  withoutLastBlanks,
  withoutQuotes,
} from "./section.ts";

/** True for an entry that lets the limited shell do something. Pure. */
export const isAllowing = ({ key }: IniEntry): boolean =>
  key === "allow" || key === "executables" || key === "force" || key.startsWith("command ");

/** The problems of the account: its name, home, shell, uid, comment and groups. */
function accountProblems(section: IniSection, subject: Subject): Problem[] {
  const { name } = subject;
  const bare = withoutLastBlanks(name);
  const problems: Problem[] = [];
  const commented = commentInHeader(subject);
  const bad = nameFault(name) ?? (name === "DEFAULT" ? "it is no name of a user" : undefined);
  if (subject.inQuotes) problems.push(quotesProblem(subject, "bad-account"));
  else if (commented !== undefined) problems.push(commented);
  else if (bare !== name)
    problems.push(
      problemAt(subject, "bad-account", `the name of the user, ${quoted(name)}, ends with a blank`, {
        ...{ kind: "line", text: `[user ${bare}]` },
      }),
    );
  else if (bad !== undefined)
    problems.push(problemAt(subject, "bad-account", `${quoted(name)} cannot be an account's name: ${bad}`));
  const check = (key: ByteString, fault: (value: ByteString) => string | undefined) => {
    const entry = findEntry(section, key);
    if (entry === undefined || entry.value === "" || entry.value.includes("\n")) return;
    const found = fault(entry.value);
    const fix: Fix = { kind: "none" };
    if (found !== undefined)
      problems.push(problemAt(valuePlace(entry), "bad-account", `${quoted(key)}: ${found}`, fix));
  };
  for (const key of ["jail", "home", "shell"]) {
    const entry = findEntry(section, key);
    const outer = key === "home" ? outerHome(section, entry) : undefined;
    const problem = outer ?? (entry === undefined || entry.value === "" ? undefined : pathProblem(entry));
    if (problem !== undefined) problems.push(problem);
    else if (key === "home") check(key, (home) => fieldFault("home", home) ?? homeFault(home));
    else if (key === "shell") check(key, (shell) => fieldFault("shell", shell) ?? shellFault(shell));
    else check(key, jailFault);
  }
  const quotesFault = (text: ByteString) =>
    withoutQuotes(text) === undefined ? undefined : "there is no quoting: write it without quotes";
  const whole = wholeHome(section, name);
  // One of a home that no file can have is an error of its own.
  const longFault = (gecos: ByteString) =>
    lengthFault(whole) === undefined
      ? commentFault({ name, password: "x", gecos, home: whole, shell: CHROOT_SHELL })
      : undefined;
  check("comment", (text) => fieldFault("comment", text) ?? quotesFault(text) ?? longFault(text));
  const uidEntry = findEntry(section, "uid");
  if (uidEntry !== undefined && COMMENT_BEHIND.test(uidEntry.value)) problems.push(commentInValue(uidEntry));
  check("uid", (text) => {
    const uid = uidIn(text);
    return uid === undefined ? `${quoted(text)} is not a uid` : uidFault(uid);
  });
  const groups = itemsOf(section, "groups");
  problems.push(...longHome(section, name), ...twice(groups), ...groups.flatMap(groupProblem));
  return problems;
}

/** The home as passwd(5) of this machine has it. */
function wholeHome(section: IniSection, name: ByteString): ByteString {
  const [jail = "", home = usualHome(name)] = ["jail", "home"].map((key) => findEntry(section, key)?.value);
  return joinHome(jail, home);
}

/** The problem of a home that is too long only with the path of the jail. */
function longHome(section: IniSection, name: ByteString): Problem[] {
  const [jail, home] = ["jail", "home"].map((key) => findEntry(section, key));
  const entry = home ?? jail;
  const alone = [jail, home].flatMap((one) => (one === undefined ? [] : lengthFault(one.value)));
  const fault = alone.every((one) => one === undefined) ? lengthFault(wholeHome(section, name)) : undefined;
  if (entry === undefined || fault === undefined) return [];
  const message = `the home, with the path of the jail in front, ${fault}`;
  return [problemAt(valuePlace(entry), "bad-path", message, { kind: "none" })];
}

/** The problem of an item that can be no group: a number is a gid, as for jk_jailuser(8). */
function groupProblem(item: ListItem): Problem[] {
  const fault = nameFault(item.value);
  if (fault === undefined) return [];
  const several = separatorProblems(item);
  if (several.length > 0) return several;
  const message = `'groups': ${quoted(item.value)} cannot be a group's name: ${fault}`;
  return [problemAt(item, "bad-account", message, { kind: "item", old: item.value })];
}

/** The problem of a home that is written as the machine sees it, with the path of the jail. */
function outerHome(section: IniSection, home: IniEntry | undefined): Problem | undefined {
  const jail = normalPath(findEntry(section, "jail")?.value ?? "");
  if (home === undefined || !home.value.startsWith("/") || COMMENT_BEHIND.test(home.value) || jail === "/")
    return undefined;
  const plain = normalPath(home.value);
  if (!plain.startsWith(`${jail}/`)) return undefined;
  const inside = plain.slice(jail.length);
  const message = `'home': ${quoted(home.value)} begins with the path of the jail: write ${quoted(inside)}, as the jail sees it`;
  return problemAt(valuePlace(home), "bad-path", message, { kind: "value", text: inside });
}

/** Why passwd(5) cannot hold the path of a jail in front of a home. */
const jailFault = (jail: ByteString): string | undefined =>
  jail === "/" ? "'/' cannot be a jail" : fieldFault("jail of a user", joinHome(jail, "/"));

/** The problems of keys that exclude each other, and of keys that are missing. */
function choiceProblems(
  section: IniSection,
  subject: Subject,
  directory: boolean,
  policy: readonly IniEntry[],
): Problem[] {
  const problems: Problem[] = [];
  const shell = findEntry(section, "shell")?.value || undefined;
  if (findEntry(section, "jail") === undefined) {
    const message = `the user ${quoted(subject.name)} has no jail: name one with the key 'jail'`;
    problems.push(problemAt(section, "no-jail", message));
  }
  // An account of a directory may be declared by name only: its line in the jail and its groups' rights stay.
  const byName = directory && policy.length === 0;
  if (shell === undefined && !byName && !policy.some(isAllowing)) {
    const message = `the user ${quoted(subject.name)} has neither a shell nor rights: name a shell with 'shell', or say what the limited shell allows with 'allow'`;
    problems.push(problemAt(section, "no-shell", message));
  } else if (isLimitedShell(shell ?? LIMITED_SHELL)) {
    if (policy.length > 0 && !policy.some(isAllowing)) {
      const message = `the limited shell would allow ${quoted(subject.name)} nothing: say what it allows with 'allow'`;
      problems.push(problemAt(section, "no-shell", message));
    }
  } else {
    for (const entry of policy) {
      if (describedBy(confineKeys, entry.key) !== undefined) continue;
      const message = `${quoted(entry.key)} is for the limited shell, and 'shell' names another one`;
      problems.push(problemAt(entry, "contradiction", message, { kind: "none" }));
    }
  }
  if (directory) {
    for (const key of ["uid", "comment"]) {
      const entry = findEntry(section, key);
      if (entry === undefined) continue;
      const message = `${quoted(key)} contradicts 'directory = yes': the directory says it`;
      problems.push(problemAt(entry, "contradiction", message));
    }
  }
  return problems;
}

/** The problems of the entries of a policy, by the readers that a login has. */
function policyProblems(section: IniSection): Problem[] {
  const { problems, ...values } = readKeys(section, policyKeys);
  const contradiction = confineProblem(section, values);
  const { problems: patterns } = readCommands(section, values);
  const paths = ["executables", "paths"].flatMap((key) => itemsOf(section, key));
  return [
    ...problems,
    ...patterns,
    ...(contradiction === undefined ? [] : [contradiction]),
    ...paths.flatMap((item) => pathItemProblem(item)),
    // A path may have blanks and quotes in it, so that jail and machine are asked about those, which warns.
    ...itemsOf(section, "env").flatMap((item) => separatorProblems(item)),
  ];
}

/** A section [user NAME], and what is wrong with it as far as its text shows. Pure. */
export function readUser(
  section: IniSection,
  written: Subject,
): { declared: DeclaredUser; problems: Problem[] } {
  const subject = { ...written, name: withoutLastBlanks(written.name) };
  const problems = tableProblems(section, "user", declaredUserKeys, jailKeys);
  const { problems: unread, ...values } = readKeys(section, userKeys);
  const policy = section.entries.filter(({ key }) => typeof describedBy(policyKeys, key) === "object");
  const directory = values.directory === true;
  const given = values.authorizedKeys !== undefined;
  const keyEntry = given ? findEntry(section, "authorized_keys") : undefined;
  const keys = keyEntry === undefined ? undefined : readKeyLines(keyEntry);
  problems.push(
    ...unread,
    ...policyProblems(section),
    ...accountProblems(section, written),
    ...choiceProblems(section, subject, directory, policy),
    ...(keys?.problems ?? []),
  );
  if (keys?.keys.length === 0 && keys.problems.length === 0 && keyEntry !== undefined)
    problems.push(problemAt(valuePlace(keyEntry), "bad-key", "'authorized_keys': there is no key in it"));
  const { name, file, line, column } = subject;
  const { jail = "", shell = LIMITED_SHELL, home = usualHome(name), uid, comment, groups } = values;
  const declared: DeclaredUser = {
    name,
    place: { file, line, column, section },
    ...{ jail, shell, home, comment, groups },
    uid: uid === undefined ? undefined : uidIn(uid),
    keys: keys?.keys,
    directory,
    keeps: directory ? kept(values, policy) : undefined,
    policy: policy.length === 0 ? undefined : policy.map(inOneLine),
  };
  return { declared, problems };
}

/** What an account of a directory keeps: a policy is for the limited shell. */
const kept = (
  { shell, home }: { shell: ByteString | undefined; home: ByteString | undefined },
  policy: readonly IniEntry[],
) => [
  ...(shell === undefined && policy.length === 0 ? (["shell"] as const) : []),
  ...(home === undefined ? (["home"] as const) : []),
];

const linesOf = ({ value }: IniEntry) => value.split("\n").filter((line) => line !== "");

/** The entry as files without continuation lines have it. */
const inOneLine = (entry: IniEntry): IniEntry =>
  entry.value.includes("\n") ? { ...entry, value: linesOf(entry).join(" "), pieces: undefined } : entry;
