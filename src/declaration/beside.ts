import type { ByteString } from "../../ffi/bytes.ts";
import { isMissing } from "../../ffi/files.ts";
import { display, quoted } from "../cli/display.ts";
import type { Place } from "../config/model.ts";
import { isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { joinHome } from "../system/separator.ts";
import { type Change, type Fault, listed, nameOf } from "./change.ts";
import { DeclarationError } from "./errors.ts";
import { isToBeRead, readAs } from "./known-file.ts";
import type { Declaration, DeclaredJail, DeclaredUser } from "./model.ts";
import { isInScope, sumOf } from "./once.ts";
import type { Once, OnceJail, OnceUser } from "./once-shape.ts";

type PathOf = (operand: ByteString) => ByteString;
type Warning = Pick<Fault, "of" | "name" | "message">;

const missingIn = (some: readonly ByteString[] = [], others: readonly ByteString[] = []) =>
  some.filter((one) => !others.includes(one));

/** What was declared once of a jail, without what a declaration beside the named files still wants. Pure. */
function withoutJail(once: OnceJail, beside: DeclaredJail | undefined, pathOf: PathOf): OnceJail {
  if (beside === undefined) return once;
  return {
    ...once,
    sections: missingIn(once.sections, beside.sections),
    files: missingIn(once.files, beside.files.map(pathOf)),
    live: missingIn(once.live, beside.live),
    logSocket: once.logSocket && beside.logSocket !== true,
    proc: once.proc && beside.proc !== true,
  };
}

/** The same of a user: groups and keys are the account's in whatever jail, and rights those in one. Pure. */
function withoutUser(once: OnceUser, beside: DeclaredUser | undefined): OnceUser {
  if (beside === undefined) return once;
  const { jail, groups, keys = [], policy, shell } = beside;
  const lacksRights = (limited: boolean) =>
    jail !== once.jail || policy === undefined || isLimitedShell(shell) !== limited;
  return {
    ...once,
    groups: missingIn(once.groups, groups),
    keys: missingIn(
      once.keys,
      keys.map(({ key }) => sumOf(key)),
    ),
    policy: once.policy && lacksRights(once.limited),
    otherPolicy: once.otherPolicy && lacksRights(!once.limited),
  };
}

/** What was declared once, by names, without what other files still want. Pure. */
export function onceBeside(before: Once, others: Declaration | undefined, pathOf: PathOf) {
  const jails = new Map(others?.jails.map((jail) => [jail.path, jail]));
  const users = new Map(others?.users.map((user) => [user.name, user]));
  return {
    jails: new Map(before.jails.map((jail) => [jail.path, withoutJail(jail, jails.get(jail.path), pathOf)])),
    users: new Map(before.users.map((user) => [user.name, withoutUser(user, users.get(user.name))])),
  };
}

/** The changes by those whom they are about, with the file that declared each last; none for who was not declared. */
function byLastFile(changes: readonly Change[], before: Once) {
  const files = new Map([
    ...before.jails.map(({ path: name, file }) => [nameOf({ of: "jail", name }), file] as const),
    ...before.users.map(({ name, file }) => [nameOf({ of: "user", name }), file] as const),
  ]);
  const changed = new Map(changes.map((change) => [nameOf(change), change]));
  return [...changed].flatMap(([about, { of, name }]) => {
    const file = files.get(about);
    return file === undefined ? [] : { of, name, file };
  });
}

const lastIn = (file: ByteString): string =>
  `was declared last in ${quoted(file)}, which does not count here`;

/** The warnings that a run of the usual files changes what another file declared last. Pure. */
export const declaredElsewhere = (changes: readonly Change[], before: Once): Warning[] =>
  byLastFile(changes, before).flatMap(({ file, ...about }) =>
    isInScope(file, [], true) ? [] : { ...about, message: lastIn(file) },
  );

/**
 * The warnings that a run of named files takes something from a jail or a user whom another one declared last, which is there
 * still. `changes`: what --prune takes, without what the usual files declare; `files`: the named ones. Looks for the others.
 */
export const takenFromOthers = (
  changes: readonly Change[],
  before: Once,
  files: readonly ByteString[],
): Warning[] =>
  byLastFile(changes, before).flatMap(({ file, ...about }) =>
    isInScope(file, files, true) || isMissing(file)
      ? []
      : { ...about, message: `${lastIn(file)}: --prune removes what that declares, and these files do not` },
  );

/** The warning that the usual files, beside the named ones, have errors. */
export const notCompared = (others: Declaration | DeclarationError | undefined): string[] =>
  others instanceof DeclarationError
    ? [`the usual files have errors, so that these are not compared with them: ${others.message}`]
    : [];

/** What two declarations say about one key, printable; undefined for one that does not say it. */
type Pair = readonly [here: string | undefined, there: string | undefined];

function pair<T>(key: string, here: T | undefined, there: T | undefined, show: (value: T) => string): Pair {
  const shown = (value: T | undefined) => (value === undefined ? undefined : `${key} ${show(value)}`);
  return [shown(here), shown(there)];
}

const yesOrNo = (value: boolean) => (value ? "yes" : "no");

const pairsOfJail = (here: DeclaredJail, there: DeclaredJail): Pair[] => [
  pair("log_socket", here.logSocket, there.logSocket, yesOrNo),
  pair("proc", here.proc, there.proc, yesOrNo),
];

function pairsOfUser(here: DeclaredUser, there: DeclaredUser): Pair[] {
  const keeps = (key: "shell" | "home") => [here, there].some((one) => one.keeps?.includes(key));
  const kept = (["shell", "home"] as const).filter((key) => !keeps(key));
  return [
    pair("jail", here.jail, there.jail, quoted),
    pair("directory", here.directory, there.directory, yesOrNo),
    ...kept.map((key) => pair(key, here[key], there[key], quoted)),
    pair("uid", here.uid, there.uid, String),
    pair("comment", here.comment, there.comment, quoted),
    ...rightsOf(here, there),
    ...(here.keys ?? []).flatMap(({ key, options }) => {
      const other = there.keys?.find((one) => one.key === key);
      return other === undefined ? [] : [pair("the options of a key", options, other.options, quoted)];
    }),
  ];
}

/** One that says nothing about rights leaves them as they are; else their section is written as a whole. */
function rightsOf({ policy: here }: DeclaredUser, { policy: there }: DeclaredUser): Pair[] {
  if (here === undefined || there === undefined) return [];
  const valueIn = (policy: typeof here, key: ByteString) => {
    const value = policy.find((one) => one.key === key)?.value;
    return value === undefined ? `no ${key}` : `${key} ${quoted(value)}`;
  };
  const keys = new Set([...here, ...there].map(({ key }) => key));
  return [...keys].map((key) => [valueIn(here, key), valueIn(there, key)]);
}

const placeText = ({ file, line }: Place): string => `${display(file)}:${line}`;

interface Two {
  readonly name: ByteString;
  readonly here: Place;
  readonly there: Place;
  readonly pairs: readonly Pair[];
  /** What only the first one has of lists, printable. */
  readonly more: readonly string[];
}

function warningsOf(of: Warning["of"], { name, here, there, pairs, more }: Two): Warning[] {
  const differ = pairs.filter(([mine, other]) => mine !== undefined && other !== undefined && mine !== other);
  const messages: string[] = [];
  if (differ.length > 0) {
    const [mine, other] = [0, 1].map((index) => differ.map((one) => one[index]).join(", "));
    messages.push(
      `declared in ${placeText(here)} with ${mine}, and in ${placeText(there)} with ${other}: 'jailkit apply' without FILE changes that back, or refuses it; declare it in one of the two, or the same in both`,
    );
  }
  if (more.length > 0)
    messages.push(
      `${placeText(here)} declares ${more.join(", ")}, and ${placeText(there)} does not: 'jailkit apply --prune' without FILE removes that; declare it there too`,
    );
  return messages.map((message) => ({ of, name, message }));
}

/** The items of lists that only the first ones have, printable. */
const moreOf = (lists: readonly (readonly [key: string, items: readonly ByteString[]])[]): string[] =>
  lists.flatMap(([key, items]) => (items.length === 0 ? [] : `${key} ${listed(items)}`));

function moreKeys({ keys = [] }: DeclaredUser, there: DeclaredUser): string[] {
  const count = keys.filter(({ key }) => !there.keys?.some((one) => one.key === key)).length;
  return count === 0 ? [] : [`${count} of authorized_keys`];
}

/** The warnings that users of named files have the uid or the home of others in the usual ones, which these do not replace. */
function sharedWarnings(named: Declaration, usual: Declaration): Warning[] {
  const replaced = new Set([...named.files, ...named.files.map(readAs)]);
  const names = new Set(named.users.map(({ name }) => name));
  const others = usual.users.filter(({ name, place }) => !names.has(name) && !replaced.has(place.file));
  const homeOf = ({ jail, home, keeps }: DeclaredUser) =>
    keeps?.includes("home") ? undefined : `home ${quoted(joinHome(jail, home))}`;
  const uidOf = ({ uid }: DeclaredUser) => (uid === undefined ? undefined : `uid ${uid}`);
  return [uidOf, homeOf].flatMap((textOf) => {
    const owners = new Map(others.map((one) => [textOf(one), one]));
    return named.users.flatMap((here): Warning[] => {
      const value = textOf(here);
      const there = value === undefined ? undefined : owners.get(value);
      if (there === undefined) return [];
      const message = `declared in ${placeText(here.place)} with ${value}, and so is ${quoted(there.name)} in ${placeText(there.place)}: with both, 'jailkit apply' without FILE does nothing; declare another one`;
      return [{ of: "user", name: here.name, message }];
    });
  });
}

/** A declaration as it is when named files that are to be renamed have taken the place of those with their names. Pure. */
export function withoutReplaced(usual: Declaration, { files }: Pick<Declaration, "files">): Declaration {
  const replaced = new Set(files.filter(isToBeRead).map(readAs));
  const stays = ({ place }: DeclaredJail | DeclaredUser) => !replaced.has(place.file);
  return { ...usual, jails: usual.jails.filter(stays), users: usual.users.filter(stays) };
}

/**
 * The warnings that a declaration of named files says something else about a jail or a user than that of the usual ones: the
 * next run without FILE would change it back, or refuse it. What one of them does not say is no contradiction. Pure.
 */
export function contradictions(named: Declaration, usual: Declaration, pathOf: PathOf): Warning[] {
  const jails = new Map(usual.jails.map((jail) => [jail.path, jail]));
  const users = new Map(usual.users.map((user) => [user.name, user]));
  const ofJails = named.jails.flatMap((here) => {
    const there = jails.get(here.path);
    if (there === undefined) return [];
    const places = { name: here.path, here: here.place, there: there.place };
    const more = moreOf([
      ["sections", missingIn(here.sections, there.sections)],
      ["files", missingIn(here.files.map(pathOf), there.files.map(pathOf))],
      ["live", missingIn(here.live, there.live)],
    ]);
    return warningsOf("jail", { ...places, pairs: pairsOfJail(here, there), more });
  });
  const ofUsers = named.users.flatMap((here) => {
    const there = users.get(here.name);
    if (there === undefined) return [];
    const places = { name: here.name, here: here.place, there: there.place };
    const more = [...moreOf([["groups", missingIn(here.groups, there.groups)]]), ...moreKeys(here, there)];
    return warningsOf("user", { ...places, pairs: pairsOfUser(here, there), more });
  });
  return [...ofJails, ...ofUsers, ...sharedWarnings(named, usual)];
}
