import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { hostPath } from "../jail/fs/walk.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { localUsers } from "../system/flat-accounts.ts";
import type { HostAccounts } from "../system/host-accounts.ts";
import { hostUser } from "../system/name-services.ts";
import { homeFor } from "../users/jail-side.ts";
import type { FaultText } from "./change.ts";
import { isUntouched } from "./creating.ts";
import { homeIdAnywhere } from "./ids.ts";
import type { DeclaredUser } from "./model.ts";
import { type Once, type OnceUser, uidOf } from "./once-shape.ts";
import { declaredHere } from "./read.ts";

// Two accounts of a directory may have one uid by mistake, of which a name service gives the one or the other. And a directory may
// not know a declared account for a while. In both cases, files with the uid are not there to be given away.

/** A declared user; without a uid, that of before counts. */
export type Claimant = Pick<DeclaredUser, "name"> & Partial<Pick<DeclaredUser, "uid">>;

/** Another one that has a uid. */
export interface UidOwner {
  readonly name: ByteString;
  /** There is no such account now. */
  readonly isDeclared: boolean;
}

/** A uid that an account had. */
export interface LostUid {
  readonly uid: number;
  /** Who has it now. */
  readonly to: ByteString | undefined;
  /** Each of these has lost its own, too, and gets that back. */
  readonly isFree: boolean;
  /** It is known to be the account that had it. */
  readonly isSure: boolean;
}

interface Sources {
  /** What was declared once. */
  readonly before: () => Pick<Once, "users">;
  /** Who is declared. */
  readonly declared: () => readonly Claimant[];
  readonly accounts: Pick<HostAccounts, "userByName" | "userByUid">;
  /** True for an account that is removed before any is created. */
  readonly goes?: (name: ByteString, uid: number) => boolean;
}

/** Who has uids: accounts, and declared users whose accounts are not there. All throw JailkitError if a name service does not answer. */
export class UidOwners {
  #once: ReadonlyMap<ByteString, OnceUser> | undefined;
  #names: ReadonlySet<ByteString> | undefined;
  #claims: ReadonlyMap<number | undefined, readonly Claimant[]> | undefined;
  #local: ReadonlyMap<number, readonly PasswdEntry[]> | undefined;

  constructor(private readonly sources: Sources) {}

  /**
   * Who else has a uid, or is declared with it, when accounts are created, than the one with a name; undefined if nobody has.
   * `former`: the name of who had it, as a jail or what is remembered says.
   */
  of = (uid: number, name: ByteString, former?: ByteString): UidOwner | undefined => {
    const { goes } = this.sources;
    return this.#all(uid, name, former).find((one) => goes?.(one.name, uid) !== true);
  };

  /** The uid with which somebody was declared once. */
  had = (name: ByteString): number | undefined => {
    const user = this.#onceOf(name);
    return user && uidOf(user);
  };

  /** Whether the home of an account is the directory that is remembered of it. */
  isAtHome = (account: PasswdEntry): boolean => {
    const id = this.#onceOf(account.name)?.homeId;
    return id !== undefined && id === homeIdAnywhere(account);
  };

  /** Who has lost the uid with which it was declared once, which its home belongs to still; undefined if none has. */
  lost = (account: PasswdEntry): LostUid | undefined => {
    const uid = this.#lostUid(account);
    if (uid === undefined) return undefined;
    const to = this.#othersWith(uid, account);
    const isFree = to.every((one) => this.#isDeclared(one.name) && this.#lostUid(one) !== undefined);
    return { uid, to: to[0]?.name, isFree, isSure: this.#isSame(account, uid) };
  };

  /**
   * Who an account may be, by its uid, as a passwd(5) of before has it by a name that it had: one who is remembered with that uid, and
   * was declared by that name, or has no account; undefined if nobody is.
   */
  nameSince = ({ name, uid }: Pick<PasswdEntry, "name" | "uid">): ByteString | undefined => {
    const { before, accounts } = this.sources;
    const isIt = (one: OnceUser) => {
      if (one.name === name || one.directory || uidOf(one) !== uid) return false;
      const account = accounts.userByName(one.name);
      return account === undefined || (account.uid !== uid && one.formerly?.includes(name) === true);
    };
    return before().users.find(isIt)?.name;
  };

  /**
   * Whether a command may give away what has a uid at a place, which is in a jail: not as long as another account has it, be it one
   * that is to go, nor the home of now of who had it.
   */
  mayGive(uid: number, name: ByteString, place: ByteString, jail: ByteString, former?: ByteString): boolean {
    if (this.#all(uid, name, former).length > 0) return false;
    const account = former === undefined ? undefined : this.sources.accounts.userByName(former);
    return account === undefined || hostPath({ path: jail }, homeFor(account, jail)) !== place;
  }

  #all(uid: number, name: ByteString, former: ByteString | undefined): UidOwner[] {
    const { userByName } = this.sources.accounts;
    const there = this.#accountsOf(uid).map((one) => one.name);
    const known = former !== undefined && userByName(former)?.uid === uid ? [former] : [];
    const found = [...there, ...known].map((one) => ({ name: one, isDeclared: false }));
    return [...found, ...this.#declaredWith(uid, name, former)].filter((one) => one.name !== name);
  }

  /** Who had it first keeps it. */
  #declaredWith(uid: number, name: ByteString, former: ByteString | undefined): UidOwner[] {
    if (this.had(name) === uid) return [];
    this.#claims ??= Map.groupBy(this.sources.declared(), (one) => one.uid ?? this.had(one.name));
    const all = this.#claims.get(uid) ?? [];
    // Of two sections that say the same uid the text itself tells.
    const isSaid = all.some((one) => one.name === name && one.uid === uid);
    const claims = all.filter((one) => !(isSaid && one.uid === uid)).map((one) => one.name);
    const back = former !== undefined && this.#isDeclared(former) ? [former] : [];
    return [...claims, ...back].flatMap((one) => {
      const account = this.sources.accounts.userByName(one);
      const isIt = account === undefined || account.uid === uid;
      return isIt ? { name: one, isDeclared: account === undefined } : [];
    });
  }

  #lostUid({ name, home, uid: now }: PasswdEntry): number | undefined {
    const uid = this.had(name);
    if (uid === undefined || uid === now || homeIdAnywhere({ home, uid }) === undefined) return undefined;
    return uid;
  }

  /** False if it may be another account: none has had to do with either uid, and it was given a password, or was created again. */
  #isSame(account: PasswdEntry, uid: number): boolean {
    const { name, uid: now } = account;
    const wasOfOther = () =>
      this.sources.before().users.some((one) => one.name !== name && uidOf(one) === now);
    return (
      this.#othersWith(uid, account).length > 0 ||
      wasOfOther() ||
      isUntouched(name, this.#onceOf(name)?.createdDay)
    );
  }

  #othersWith(uid: number, { name }: Pick<PasswdEntry, "name">): readonly PasswdEntry[] {
    return this.#accountsOf(uid).filter((one) => one.name !== name);
  }

  #accountsOf(uid: number): readonly PasswdEntry[] {
    this.#local ??= Map.groupBy(localUsers(), (one) => one.uid);
    return [this.sources.accounts.userByUid(uid) ?? [], this.#local.get(uid) ?? []].flat();
  }

  #onceOf(name: ByteString): OnceUser | undefined {
    this.#once ??= new Map(this.sources.before().users.map((user) => [user.name, user]));
    return this.#once.get(name);
  }

  #isDeclared(name: ByteString): boolean {
    this.#names ??= new Set(this.sources.declared().map((one) => one.name));
    return this.#names.has(name);
  }
}

/** The same by the accounts that are there when it is asked. */
export const uidOwnersNow = (before: Sources["before"], declared: Sources["declared"]): UidOwners =>
  new UidOwners({ before, declared, accounts: { userByName: hostUser, userByUid: hostUser } });

/** The same by the files of this machine. If these cannot be read, who was declared once is still. */
export const uidOwnersHere = (before: Sources["before"]): UidOwners =>
  uidOwnersNow(before, () => [
    ...(declaredHere()?.users.values() ?? before().users.map(({ name }) => ({ name }))),
  ]);

/** What helps if an account of a directory has a uid that it should not have. */
export const IN_DIRECTORY = "give the account another uid in its directory";

/** Why a uid is not for an account, since another one has it. Printable. */
export function uidOfOther(uid: number, { name, isDeclared }: UidOwner, advice: string) {
  const who = `${quoted(name)}${isDeclared ? ", who is declared" : ""}`;
  return {
    code: "uid-taken",
    message: `the uid ${uid} belongs to ${who}: ${advice}`,
    isDeclared,
  } as const satisfies FaultText & { isDeclared: boolean };
}
