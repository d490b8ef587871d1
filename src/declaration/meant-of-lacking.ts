import type { ByteString } from "../../ffi/bytes.ts";
import type { AskMeant, DeclaringSection } from "../check/host.ts";
import { answered } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { operands } from "../cli/shell-word.ts";
import { memoized } from "../enter/gather.ts";
import { isLocalUser } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { hostAccounts } from "../system/host-accounts.ts";
import { hostUser } from "../system/name-services.ts";
import { homeInJail } from "../system/separator.ts";
import type { DeclaredBefore } from "../users/former-names.ts";
import { leaveCommand } from "../users/leaving.ts";
import type { FaultText } from "./change.ts";
import { exchangedOf } from "./compare/exchanged.ts";
import { renamedText } from "./compare/lost-name.ts";
import { MayBe } from "./compare/may-be.ts";
import { strayHomeOf } from "./compare/stray.ts";
import { lineUidFault, sharedUidFault } from "./compare/uid-fault.ts";
import { formerFault, knownUids } from "./kept-fault.ts";
import { isUsual } from "./known-file.ts";
import type { DeclaredPlace, DeclaredUser } from "./model.ts";
import { NOTHING, readOnce } from "./once.ts";
import { type OnceUser, uidOf } from "./once-shape.ts";
import { uidOwnersHere } from "./uid-owners.ts";
import { WrittenSections } from "./written-sections.ts";

const APPLY = "jailkit apply";

/** The command that shows what the directories of declared accounts should say, and what brings others where they are declared. */
const SHOWS = "jailkit apply --check";

/**
 * Tells what is meant of users whom a jail lacks, or whose homes are elsewhere, what declares a jail, and what declares
 * in place of lines for a section that is written from there. The run of `jailkit apply` that puts one back,
 * or removes one that is not declared there any more, has begun perhaps, and failed. One whose logins --prune has ended is not
 * put back. Of one who was never declared there, nothing tells which it is.
 */
export function meantHere(): AskMeant {
  const written = new WrittenSections();
  const read = () => ({ declared: written.declared, once: [...written.once.values()] });
  const declaredUser = (name: ByteString) => written.declared?.users.get(name);
  // It looks at all homes.
  const exchanged = memoized(() => exchangedOf({ users: read().once }, hostAccounts()));
  const othersOf = (user: DeclaredUser) => exchanged().othersOf(user, declaredUser);
  const mayBe = memoized(
    () =>
      new MayBe({
        declared: () => written.declared?.users.values() ?? [],
        ...{ once: (name) => written.once.get(name), othersOf, accounts: hostAccounts() },
      }),
  );
  const lacking: AskMeant["lacking"] = ({ name, shell }, jail) => {
    const known = read();
    const declared = known.declared?.users;
    const once = declaredAs(name, jail, known.once) ?? renamedFrom(name, jail, known.once, true);
    if (declared?.get(name)?.jail === jail) return { remedy: APPLY };
    const former = once && declared?.get(once.name);
    // A second section of that name would make the file invalid.
    if (former?.jail === jail && declared?.has(name)) return { remedy: SHOWS };
    if (former?.jail === jail)
      return { remedy: renamedRemedy(former, name, exchanged().doubt(former, declaredUser)) };
    // In another jail, to which its directory moves it, or where it belongs: here it would be among others.
    if (declared?.has(name)) return { remedy: SHOWS };
    const account = answered(() => hostUser(name));
    if (account !== undefined && mayBe().userOf(account) !== undefined) return { remedy: SHOWS };
    if (once?.out) return outOf({ name, shell });
    if (once === undefined || declared === undefined) return { otherwise: otherWay({ name, shell }) };
    const { file } = once;
    // What a named file declares now is not known here; its run says how the rest is removed.
    return { remedy: isUsual(file) ? "jailkit apply --prune" : `jailkit apply ${operands(file)}` };
  };
  const elsewhere: AskMeant["elsewhere"] = (name, jail) => {
    const { declared, once } = read();
    const user = declared?.users.get(name);
    if (user?.jail === jail) return { command: SHOWS, shows: user.directory };
    if (user !== undefined) return strayIn(jail, name, once);
    const before = once.find((one) => one.name === name && one.jail === jail && one.directory && !one.out);
    if (before === undefined || declared === undefined) return undefined;
    const { file } = before;
    return isUsual(file)
      ? { command: "jailkit apply --prune", shows: false }
      : { command: `${SHOWS} ${operands(file)}`, shows: true };
  };
  const sections: AskMeant["sections"] = (path) => {
    const { declared } = read();
    const jail = declared?.jails.get(path);
    const users = [...(declared?.users.values() ?? [])].filter((user) => user.jail === path);
    return [
      ...(jail === undefined ? [] : [sectionOf("jail", path, jail.place)]),
      ...users.map(({ name, place }) => sectionOf("user", name, place)),
    ];
  };
  const otherUid = otherUidHere(() => ({ users: read().once }));
  const renamed: AskMeant["renamed"] = (name, jail) => {
    const user = declaredUser(name);
    return user?.jail === jail ? SHOWS : undefined;
  };
  return { lacking, elsewhere, renamed, sections, otherUid, instead: (remedy) => written.instead(remedy) };
}

/** The command that tells of an account that its home is, or may be, in that jail; undefined if it is not. */
function strayIn(
  jail: ByteString,
  name: ByteString,
  known: readonly OnceUser[],
): ReturnType<AskMeant["elsewhere"]> {
  const account = answered(() => hostUser(name));
  const once = known.find((one) => one.name === name);
  const isIt = account !== undefined && strayHomeOf(account, once)?.other.jail === jail;
  return isIt ? { command: SHOWS, shows: false } : undefined;
}

/** Tells why the uid of an account is not its own. `before`: what was declared once. */
function otherUidHere(before: Parameters<typeof uidOwnersHere>[0]): AskMeant["otherUid"] {
  const owners = uidOwnersHere(before);
  const uids = memoized(() => knownUids(answered(readOnce) ?? NOTHING, owners));
  return (user, jail, line) =>
    answered(() => {
      const { name } = user;
      const directory = !isLocalUser(name);
      const comer = { name, jail, home: homeInJail(user.home), directory };
      return (
        sharedUidFault({ directory, uid: undefined }, user, owners) ??
        formerFault(comer, user, uids()) ??
        (directory ? undefined : lineUidFault(jail, line, user, owners))
      );
    });
}

const sectionOf = (
  kind: DeclaringSection["kind"],
  name: ByteString,
  { file, line }: DeclaredPlace,
): DeclaringSection => ({ kind, name, file, line });

/**
 * What was declared once of an account in a jail, also under the name that it had before: with its uid, which no account of that
 * name has any more. A line of the jail alone would let it in without the rights and limits of that section.
 */
export function declaredAs(
  name: ByteString,
  jail: ByteString,
  once: readonly OnceUser[] = answered(() => readOnce().users) ?? [],
): OnceUser | undefined {
  const own = once.find((one) => one.name === name && one.jail === jail);
  return own ?? renamedFrom(name, jail, once, false);
}

/** The same under the name that it had before; `isOut`: of those whom --prune has taken out. */
function renamedFrom(
  name: ByteString,
  jail: ByteString,
  once: readonly OnceUser[],
  isOut: boolean,
): OnceUser | undefined {
  const uid = answered(() => hostUser(name)?.uid);
  if (uid === undefined) return undefined;
  // A name service that is silent does not say that it has it still.
  const isFormer = (former: ByteString) => answered(() => hostUser(former)?.uid === uid) !== true;
  const isHere = (one: OnceUser) => one.jail === jail || one.left.some((left) => left.jail === jail);
  return once.find((one) => isHere(one) && one.out === isOut && uidOf(one) === uid && isFormer(one.name));
}

/** What a section of an account that was renamed should have, as a run says it. `doubt`: why it may be another one. */
function renamedRemedy(
  former: Parameters<typeof renamedText>[0],
  name: ByteString,
  doubt: FaultText | undefined,
): Remedy {
  if (doubt !== undefined) return doubt.remedy ?? SHOWS;
  const account = answered(() => hostUser(name));
  return account === undefined ? APPLY : renamedText(former, account).remedy;
}

/** The former name of an account that was declared by it, and what gives it by its name of now what it had. */
export function declaredBefore(user: PasswdEntry, jail: ByteString): DeclaredBefore | undefined {
  const once = declaredAs(user.name, jail);
  if (once === undefined || once.name === user.name) return undefined;
  const { remedy = APPLY } = meantHere().lacking({ ...user, jail }, jail);
  // Lines for a file are none for a message: a run tells them.
  return { name: once.name, remedy: remedy.includes("\n") ? APPLY : remedy };
}

type Leaver = Pick<PasswdEntry, "name" | "shell">;

/** The command that shows how the directory of an account takes it out of its jail. */
const shows = (user: Leaver): Remedy => leaveCommand([user], () => undefined, { move: false, dryRun: true });

/** How an account leaves for good the jail whose files have it no more: one of a directory goes where its home is kept. */
function outOf(user: Leaver): ReturnType<AskMeant["lacking"]> {
  if (!isLocalUser(user.name)) return { remedy: shows(user) };
  return { remedy: leaveCommand([user], () => undefined, { move: true }), otherwise: otherWay(user) };
}

function otherWay(user: Leaver): string {
  if (isLocalUser(user.name)) return `if the account is to go: userdel ${operands(user.name)}`;
  return `if the account is to leave the jail, change its directory as this shows: ${shows(user)}`;
}
