import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { display, quoted } from "../../cli/display.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import type { JailedUser } from "../../jail/accounts/jailed-users.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { dirsEqual, isSameHome, joinHome, splitHome } from "../../system/separator.ts";
import { homeFault } from "../../transfer/accounts.ts";
import { homeFor } from "../../users/jail-side.ts";
import type { DeclaredUser } from "../model.ts";

/** An account has another home than the declared one. */
export interface HomeDiffers {
  readonly code: "home-differs";
  readonly message: string;
  /** The home that it has, if that can be declared. */
  readonly home: ByteString | undefined;
  /** The command that gives the account the declared one instead, if there is one. */
  readonly give: Remedy | undefined;
}

/** What else is known of the home of an account. */
export interface HomeFacts {
  /** The home is that of an account without the key. */
  readonly isUsual: boolean;
  /** Who else has the same one in the jail. */
  readonly other: (() => HomeOwner | undefined) | undefined;
  /** The name of an account that nobody declares, and that has the declared home in the jail. */
  readonly holder: () => ByteString | undefined;
}

/** Who else has the home of an account: another account, or the section of another user, which declares it. */
export interface HomeOwner {
  readonly name: ByteString;
  readonly isSection: boolean;
}

/** What sections declare of users. */
export interface Claims {
  readonly claimants: () => readonly Pick<DeclaredUser, "name" | "jail" | "home" | "keeps" | "uid">[];
}

/** The same, and who lives in which jail. */
interface Users extends Claims {
  readonly byJail: { get(jail: ByteString): readonly Pick<JailedUser, "name" | "home">[] | undefined };
}

/** As HomeFacts.holder. `users`: those who live in the jail. Pure. */
export const holderOf = (
  { name, jail, home }: Pick<DeclaredUser, "name" | "jail" | "home">,
  users: readonly Pick<JailedUser, "name" | "home">[],
  isDeclared: (name: ByteString) => boolean,
): ByteString | undefined =>
  users.find((one) => one.name !== name && isSameHome(one.home, jail, home) && !isDeclared(one.name))?.name;

/** Another one of those who live in a jail, or are declared there, with the home that an account has, or would have. Pure. */
export function sharesHome(
  account: PasswdEntry,
  jail: ByteString,
  { byJail, claimants }: Users,
): HomeOwner | undefined {
  const home = homeFor(account, jail);
  const isSame = (one: ByteString) => dirsEqual(splitHome(one)?.home ?? "", home);
  const user = byJail.get(jail)?.find((one) => one.name !== account.name && isSame(one.home));
  const section = claimants().find(
    (one) =>
      one.name !== account.name &&
      one.jail === jail &&
      // A directory says it.
      one.keeps?.includes("home") !== true &&
      dirsEqual(one.home, home),
  );
  const name = user?.name ?? section?.name;
  return name === undefined ? undefined : { name, isSection: user === undefined };
}

/** What an account has, or would have, in place of the declared home; undefined if it is the same. Pure. */
export function homeDiffers(
  { name, jail, home, directory }: Pick<DeclaredUser, "name" | "jail" | "home" | "directory">,
  account: PasswdEntry,
  { isUsual, other: find, holder: findHolder }: HomeFacts,
): HomeDiffers | undefined {
  // The directory says where it is.
  const split = directory ? undefined : splitHome(account.home);
  const future = homeFor(account, jail);
  const now = split === undefined ? future : normalPath(split.home);
  if (now === normalPath(home)) return undefined;
  const other = find?.();
  const has = split === undefined ? "would have" : "has";
  const ofOther =
    other &&
    (other.isSection ? `${quoted(`[user ${other.name}]`)} declares` : `is that of ${quoted(other.name)}`);
  const inJail = ofOther === undefined ? "in the jail" : `in the jail, which ${ofOther}`;
  const is = isUsual ? "its home without the key 'home'" : "declared";
  const what = `${has} the home ${quoted(now)} ${inJail}, and ${quoted(home)} is ${is}`;
  // With both, the file would be of no use, or a program would give one of them what is the other's.
  if (other?.isSection) {
    const message = `${what}: if both sections mean this account, take one of them out; if not, declare another home there, and 'home = ${display(now)}' here`;
    return { code: "home-differs", message, home: undefined, give: undefined };
  }
  const whole = joinHome(jail, normalPath(home));
  const give: Remedy | undefined =
    directory || split === undefined ? undefined : `usermod -d ${shellWord(whole)} ${operands(name)}`;
  const set = directory
    ? `set homeDirectory to ${quoted(whole)} in the directory first`
    : `give the account the home ${quoted(home)} first${give === undefined ? "" : `: ${give}`}`;
  const holder = findHolder();
  // A program would leave that one to --prune, whom the section may mean by a name of before.
  if (holder !== undefined) {
    const lines = [`[user ${holder}]`, ...(isUsual ? [`home = ${home}`] : [])].map(quoted).join(" and ");
    const header = quoted(`[user ${name}]`);
    const message = `${what}, and that of ${quoted(holder)}, which nobody declares: if ${header} means that account, write ${lines} in place of ${header}; if it means this one, declare 'home = ${display(now)}'`;
    return { code: "home-differs", message, home: undefined, give: undefined };
  }
  const why = homeFault(now);
  if (why === undefined && other === undefined) {
    const message = `${what}: declare 'home = ${display(now)}'${directory ? `, or ${set}` : ""}`;
    return { code: "home-differs", message, home: now, give: undefined };
  }
  const message = why === undefined ? `${what}: ${set}` : `${what}; ${why}: ${set}`;
  return { code: "home-differs", message, home: undefined, give };
}
