import { type ByteString, toBytes } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import type { IniEntry } from "../config/model.ts";
import { scanIni } from "../config/scan.ts";
import { usualHome } from "../jail/accounts/home-place.ts";
import { isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { joinHome } from "../system/separator.ts";
import { LIMITED_SHELL } from "../users/open-jail.ts";
import type { Declaration, DeclaredJail, DeclaredUser } from "./model.ts";
import { declarationIn } from "./read.ts";
import { isAllowing } from "./user-section.ts";

/** Printable lines about a jail or a user, for comments. */
export type Comments = ReadonlyMap<DeclaredJail | DeclaredUser, readonly string[]>;

/** The text of a declaration, and printable lines about what is left out of it. */
export interface DeclarationText {
  /** For each jail in turn, with its users. */
  readonly jails: readonly { readonly path: ByteString; readonly text: ByteString }[];
  readonly leftOut: readonly string[];
}

/**
 * A declaration as text that can be in one file or in several. What would not read back the same is left out, and a comment says
 * so: a user as a whole if the rest would mean another home, another shell or fewer limits. `others`: users of other files, whose
 * homes and uids are taken. Pure.
 */
export function declarationText(
  { jails, users }: Pick<Declaration, "jails" | "users">,
  comments: Comments = new Map(),
  others: readonly DeclaredUser[] = [],
): DeclarationText {
  const shared = sharedBy([...others, ...users]);
  const leftOut: string[] = [];
  const byJail = new Map<ByteString, ByteString[]>();
  const add = (path: ByteString, section: SectionText) => {
    byJail.getOrInsertComputed(path, () => []).push(section.text);
    leftOut.push(...section.leftOut);
  };
  for (const jail of jails) add(jail.path, jailText(jail, comments.get(jail)));
  for (const user of users) add(user.jail, userText(user, shared.get(user), comments.get(user)));
  return { jails: [...byJail].map(([path, texts]) => ({ path, text: texts.join("\n") })), leftOut };
}

interface SectionText {
  readonly text: ByteString;
  readonly leftOut: readonly string[];
}

/** Why a user has no place beside an earlier one. */
function sharedBy(users: readonly DeclaredUser[]): ReadonlyMap<DeclaredUser, string> {
  const shared = new Map<DeclaredUser, string>();
  const first = new Map<ByteString, DeclaredUser>();
  for (const user of users) {
    const { name, jail, home, uid } = user;
    const facts = [
      { fact: `name ${name}`, what: "its name" },
      { fact: `home ${joinHome(jail, home)}`, what: "its home" },
      ...(uid === undefined ? [] : [{ fact: `uid ${uid}`, what: `its uid, ${uid},` }]),
    ];
    for (const { fact, what } of facts) {
      const other = first.getOrInsert(fact, user);
      if (other !== user) shared.set(user, `${what} is that of ${quoted(other.name)}`);
    }
  }
  return shared;
}

/** A line of a section; a value of several lines has newlines. */
type Line = readonly [key: ByteString, value: ByteString | undefined];

const flag = (value: boolean | undefined) => (value === undefined ? undefined : value ? "1" : "0");

const list = (items: readonly ByteString[] = []) => (items.length === 0 ? undefined : items.join(", "));

function sectionText(name: ByteString, lines: readonly Line[]): ByteString {
  const texts = lines.map(([key, value]) =>
    value === undefined ? "" : `${key} = ${value.replaceAll("\n", "\n    ")}\n`,
  );
  return `[${name}]\n${texts.join("")}`;
}

const textOfJail = ({ path, sections, files, live, logSocket, proc }: DeclaredJail): ByteString =>
  sectionText(`jail ${path}`, [
    ["sections", list(sections)],
    ["files", list(files)],
    ["live", list(live)],
    ["log_socket", flag(logSocket)],
    ["proc", flag(proc)],
  ]);

function textOfUser(user: DeclaredUser): ByteString {
  const {
    name,
    jail,
    shell,
    home,
    uid,
    comment,
    groups,
    keys = [],
    directory,
    keeps = [],
    policy = [],
  } = user;
  const isUsual = shell === LIMITED_SHELL && policy.some(isAllowing);
  return sectionText(`user ${name}`, [
    ["jail", jail],
    ["shell", isUsual ? undefined : shell],
    ...policy.map(({ key, value }): Line => [key, value]),
    // Without the key, an account of a directory keeps the home that it has.
    ["home", keeps.includes("home") || (home === usualHome(name) && !directory) ? undefined : home],
    ["uid", uid === undefined ? undefined : `${uid}`],
    ["comment", comment || undefined],
    ["groups", list(groups)],
    ["authorized_keys", keys.length === 0 ? undefined : keys.map(({ line }) => line).join("\n")],
    ["directory", flag(directory || undefined)],
  ]);
}

/** What two descriptions have in common if they mean the same. */
const meaningOfJail = ({ path, sections, files, live = [], logSocket, proc }: DeclaredJail) =>
  JSON.stringify([path, sections, files, live, logSocket ?? null, proc ?? null]);

const meaningOfUser = ({ keys = [], policy = [], keeps = [], ...user }: DeclaredUser) =>
  JSON.stringify([
    [user.name, user.jail, user.shell, user.uid ?? null, user.comment || null],
    // One that the account keeps is not written.
    keeps.includes("home") ? null : user.home,
    [user.groups, user.directory, keys.map(({ line }) => line), keeps],
    policy.map(({ key, value }) => [key, value]),
  ]);

/** Why a text does not declare one jail or user, and the same; undefined if it does. */
function faultOf(text: ByteString, meaning: string, policy: readonly IniEntry[] = []): string | undefined {
  const ini = scanIni(toBytes(text), "", "plain");
  const { declaration, problems } = declarationIn(ini);
  const [problem] = problems;
  if (problem !== undefined) {
    const entries = ini.sections.flatMap((section) => section.entries);
    const key = entries.findLast(({ line }) => line <= problem.line)?.key;
    const from = policy.find((entry) => entry.key === key);
    return from === undefined ? problem.message : `${problem.message} (${display(from.file)}:${from.line})`;
  }
  const { jails, users } = declaration;
  const same =
    jails.length + users.length === 1 &&
    [...jails.map(meaningOfJail), ...users.map(meaningOfUser)].includes(meaning);
  return same ? undefined : "it cannot be written so that it reads the same";
}

const jailFault = (jail: DeclaredJail) => faultOf(textOfJail(jail), meaningOfJail(jail));
const userFault = (user: DeclaredUser) => faultOf(textOfUser(user), meaningOfUser(user), user.policy);

/** A part of a section, without which the rest means the same. */
interface Part<T> {
  readonly what: string;
  readonly add: (to: T) => T;
}

/** The parts that can be written: `base`, with all others that leave it without a fault; undefined if that has one itself. */
function fitting<T>(
  base: T,
  parts: readonly Part<T>[],
  faultIn: (one: T) => string | undefined,
  leaveOut: (what: string) => void,
): T | undefined {
  const fault = faultIn(base);
  if (fault !== undefined) {
    leaveOut(fault);
    return undefined;
  }
  let made = base;
  for (const { what, add } of parts) {
    const more = add(made);
    const wrong = faultIn(more);
    if (wrong === undefined) made = more;
    else leaveOut(`${what}: ${wrong}`);
  }
  return made;
}

function withComments(
  shown: string,
  text: ByteString | undefined,
  comments: readonly string[],
  leftOut: readonly string[],
): SectionText {
  const lines = [
    ...comments,
    ...leftOut.map((what) => (text === undefined ? `left out: ${shown}: ${what}` : `left out: ${what}`)),
  ];
  return {
    text: `${lines.map((line) => `# ${line}\n`).join("")}${text ?? ""}`,
    leftOut: leftOut.map((what) => `left out: ${shown}: ${what}`),
  };
}

function jailText(jail: DeclaredJail, comments: readonly string[] = []): SectionText {
  const shown = `jail ${quoted(jail.path)}`;
  if (jailFault(jail) === undefined) return withComments(shown, textOfJail(jail), comments, []);
  const leftOut: string[] = [];
  const { logSocket, proc } = jail;
  const base = { ...jail, sections: [], files: [], live: undefined, logSocket: undefined, proc: undefined };
  const parts: Part<DeclaredJail>[] = [
    ...jail.sections.map((one) => ({
      what: `section ${quoted(one)}`,
      add: (to: DeclaredJail) => ({ ...to, sections: [...to.sections, one] }),
    })),
    ...jail.files.map((one) => ({
      what: `file ${quoted(one)}`,
      add: (to: DeclaredJail) => ({ ...to, files: [...to.files, one] }),
    })),
    ...(jail.live ?? []).map((one) => ({
      what: `live directory ${quoted(one)}`,
      add: (to: DeclaredJail) => ({ ...to, live: [...(to.live ?? []), one] }),
    })),
    { what: "log_socket", add: (to) => ({ ...to, logSocket }) },
    { what: "proc", add: (to) => ({ ...to, proc }) },
  ];
  const made = fitting<DeclaredJail>(base, parts, jailFault, (what) => leftOut.push(what));
  return withComments(shown, made && textOfJail(made), comments, leftOut);
}

function userText(
  user: DeclaredUser,
  shared: string | undefined,
  comments: readonly string[] = [],
): SectionText {
  const shown = `user ${quoted(user.name)}`;
  if (shared !== undefined) return withComments(shown, undefined, comments, [shared]);
  if (userFault(user) === undefined) return withComments(shown, textOfUser(user), comments, []);
  const leftOut: string[] = [];
  const { uid, comment, policy } = user;
  const isLimited = isLimitedShell(user.shell);
  const base = {
    ...{ ...user, uid: undefined, comment: undefined, groups: [], keys: undefined },
    // Without it the limited shell allows less, and any other one more.
    policy: isLimited ? undefined : policy,
  };
  const parts: Part<DeclaredUser>[] = [
    ...(isLimited ? [{ what: "what it may do", add: (to: DeclaredUser) => ({ ...to, policy }) }] : []),
    { what: "uid", add: (to) => ({ ...to, uid }) },
    { what: "comment", add: (to) => ({ ...to, comment }) },
    ...user.groups.map((one) => ({
      what: `group ${quoted(one)}`,
      add: (to: DeclaredUser) => ({ ...to, groups: [...to.groups, one] }),
    })),
    ...(user.keys ?? []).map((one) => ({
      what: `key ${quoted(one.line)}`,
      add: (to: DeclaredUser) => ({ ...to, keys: [...(to.keys ?? []), one] }),
    })),
  ];
  const made = fitting<DeclaredUser>(base, parts, userFault, (what) => leftOut.push(what));
  return withComments(shown, made && textOfUser(made), comments, leftOut);
}
