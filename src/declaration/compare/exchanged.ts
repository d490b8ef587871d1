import type { ByteString } from "../../../ffi/bytes.ts";
import { answered } from "../../cli/error.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import type { FaultText } from "../change.ts";
import { homeOwners } from "../ids.ts";
import type { Declaration } from "../model.ts";
import type { Once, OnceUser } from "../once-shape.ts";
import { ByFormerName, type Former } from "./by-former-name.ts";
import { follow, isFree, type Meant, nameFormer, saysWhich } from "./follow-names.ts";
import {
  hasDeclaredHome,
  isOfFormer,
  lostNameFault,
  meansOther,
  meantFault,
  namedAnewFault,
  type Place,
  perhapsOf,
  renamedText,
  staysFault,
} from "./lost-name.ts";
import { type Accounts, type Moved, movedFrom, togetherIn } from "./other-names.ts";

// usermod(8) can give an account the name of another one: then a name tells nothing of what was declared, and the uid does.

interface World {
  /** What is declared, all of it. */
  readonly declarations: readonly Declaration[];
  /** The names of users who are declared no more, and whose files count. */
  readonly leaving: () => ReadonlySet<ByteString>;
  readonly accounts: Accounts;
}

/** What was declared once, of accounts by the names that they have now. */
export interface Followed {
  readonly before: Once;
  /** Of users, by their names, why it is not known which account is meant. */
  readonly doubts: ReadonlyMap<ByteString, FaultText>;
  /** The accounts of which a declared user may have one by now under a name that nobody declares. */
  readonly othersOf: (user: Meant) => readonly Other[];
}

/** An account under a name that nobody declares. `by`: as lostNameFault. */
export type Other = Former | { readonly account: PasswdEntry; readonly by: "uid" };

/** The accounts with other names. */
class Exchanged {
  readonly known: ReadonlyMap<ByteString, OnceUser>;
  readonly moved: readonly Moved[];
  readonly #formerly: ByFormerName;

  constructor(
    { users }: Pick<Once, "users">,
    readonly accounts: Accounts,
  ) {
    this.known = new Map(users.map((user) => [user.name, user]));
    this.#formerly = new ByFormerName(users, accounts);
    const owners = new Map<"all", ReturnType<typeof homeOwners>>();
    const ownerOfHome = (homeId: ByteString) => owners.getOrInsertComputed("all", homeOwners).get(homeId);
    this.moved = users.flatMap((once) => movedFrom(once, this.known, { ...accounts, ownerOfHome }) ?? []);
  }

  /** Why a declared user gets nothing: the section may mean the account that has its name, or that of before. */
  doubt(user: Meant, declared: AskDeclared): FaultText | undefined {
    const now = this.#nowNamed(user.name);
    const once = this.known.get(user.name);
    if (once === undefined) {
      const isFormer = now !== undefined && isOfFormer(now.account, user, declared(now.once.name));
      return isFormer ? meantFault(user, now, undefined, () => false) : this.#renamedBefore(user, declared);
    }
    if (now === undefined)
      return (
        this.#namedAnew(user, once, declared) ??
        this.#lostName(user, once, declared) ??
        this.#renamedBefore(user, declared)
      );
    if (saysWhich(user, now, once)) return undefined;
    return meantFault(user, now, this.#accountOf(once), (name) => {
      const section = declared(name);
      return section !== undefined && !(isWhole(section) && this.#isDoubtful(section));
    });
  }

  /** The account that has a name by now. One of a directory has no uid that a section can declare. */
  #nowNamed = (name: ByteString) =>
    this.moved.find(({ account, once }) => account.name === name && !once.directory);

  /** Whether the same is said of a section, so that it gets another name. */
  #isDoubtful(user: Meant): boolean {
    const once = this.known.get(user.name);
    const now = this.#nowNamed(user.name);
    return once !== undefined && now !== undefined && !saysWhich(user, now, once);
  }

  /** The accounts of which a user may have one by now under a name that nobody declares. */
  othersOf(user: Meant, declared: AskDeclared): Other[] {
    const other = this.#otherOf(user, declared);
    if (other !== undefined) return [{ account: other, by: "uid" }];
    return this.#renamedSince(user, declared);
  }

  /** Those that its name tells, by which they were declared before, or its home, which they had by a name that nobody has. */
  #renamedSince = (user: Meant, declared: AskDeclared) =>
    this.#formerly.of(user, (name) => declared(name) !== undefined);

  /** The one that its uid tells. */
  #otherOf(user: Meant, declared: AskDeclared): PasswdEntry | undefined {
    const once = this.known.get(user.name);
    const known = once && this.#accountOf(once);
    if (once === undefined || (user.directory ? known === undefined : once.directory)) return undefined;
    const other = known ?? answered(() => perhapsOf(once, this.accounts));
    const isOther = other !== undefined && (declared(other.name) !== undefined || meansOther(user, other));
    return isOther ? undefined : other;
  }

  /** The account of a user, if that has another name. */
  #accountOf = (once: OnceUser) => this.moved.find((one) => one.once === once)?.account;

  /** The same if the account has the name of another section by now, and the home that this one declares. */
  #namedAnew(user: Meant, once: OnceUser, declared: AskDeclared): FaultText | undefined {
    const known = this.#accountOf(once);
    const section = known && declared(known.name);
    if (known === undefined || section === undefined || meansOther(user, known)) return undefined;
    const isIt = !(user.directory || once.directory) && hasDeclaredHome(known, user);
    if (!isIt || answered(() => this.accounts.userByName(user.name)) !== undefined) return undefined;
    return namedAnewFault(user, known, section);
  }

  /** The same if the account has another name by now, which nobody declares, whoever has the name of before. */
  #lostName(user: Meant, once: OnceUser, declared: AskDeclared): FaultText | undefined {
    const known = this.#accountOf(once);
    const other = this.#otherOf(user, declared);
    if (other === undefined) return undefined;
    const found = answered(() => ({ now: this.accounts.userByName(user.name) }));
    if (found === undefined) return undefined;
    if (known !== undefined && found.now === undefined) return renamedText(user, known);
    return user.directory
      ? undefined
      : lostNameFault(user, other, { ...found, by: known === undefined ? "uid" : "uid and home" });
  }

  /** The same if only its name of before tells of the account, or its home of before. */
  #renamedBefore(user: Meant, declared: AskDeclared): FaultText | undefined {
    const [other] = this.#renamedSince(user, declared);
    const now = answered(() => this.accounts.userByName(user.name));
    return other && lostNameFault(user, other.account, { now, by: other.by });
  }
}

/** Where a name is declared, if it is. */
type AskDeclared = (name: ByteString) => (Place & Partial<Meant>) | undefined;

/** Whether all of a section is known. */
const isWhole = (section: Place & Partial<Meant>): section is Meant => section.place !== undefined;

/** As Exchanged, of many. */
export function exchangedOf(
  before: Pick<Once, "users">,
  accounts: Accounts,
): Pick<Exchanged, "doubt" | "othersOf"> {
  return new Exchanged(before, accounts);
}

/**
 * What was declared once, with the accounts that are declared no more under the names that somebody has given them since. While
 * a section may mean either of two accounts, both stay as they are.
 */
export function withExchanged(before: Once, { declarations, leaving, accounts }: World): Followed {
  const exchanged = new Exchanged(before, accounts);
  const { known } = exchanged;
  // Of two sections for one name that of the files of this run counts, which are first.
  const all = declarations.flatMap(({ users }) => users).toReversed();
  const declared = new Map(all.map((user) => [user.name, user]));
  // That is a declared user, of whom withRenamed does not know that it is this one.
  const moved = exchanged.moved.filter(({ account: { name } }) => known.has(name) || !declared.has(name));
  const doubts = new Map<ByteString, FaultText>();
  const byHome = new Map<ByteString, Former>();
  const declaredUser = (name: ByteString) => declared.get(name);
  const othersOf = (user: Meant) => exchanged.othersOf(user, declaredUser);
  for (const user of declared.values()) {
    const doubt = exchanged.doubt(user, declaredUser);
    const [other] = doubt === undefined ? [] : othersOf(user);
    if (doubt !== undefined) doubts.set(user.name, doubt);
    if (other?.by === "home") byHome.set(user.name, other);
  }
  if (moved.length === 0 && byHome.size === 0) return { before, doubts, othersOf };
  const users = new Map(known);
  const state = { users, known, declared, leaving: leaving(), byHome };
  for (const group of togetherIn(moved)) {
    const names = new Set(group.flatMap(({ once, account }) => [once.name, account.name]));
    // The names that the others have by now are known.
    const unclear = [...names].flatMap((name) =>
      doubts.has(name) && !byHome.has(name) ? (declared.get(name) ?? []) : [],
    );
    const isClear = unclear.length === 0 && group.every((one) => isFree(one, state));
    if (isClear) follow(group, state);
    for (const one of isClear ? [] : group)
      if (state.leaving.has(one.once.name)) doubts.set(one.once.name, staysFault(one, unclear[0]));
  }
  for (const [name, former] of byHome) nameFormer(name, former, state);
  return { before: { ...before, users: [...users.values()] }, doubts, othersOf };
}
