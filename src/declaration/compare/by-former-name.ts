import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { answered } from "../../cli/error.ts";
import { memoized } from "../../enter/gather.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import type { HostAccounts } from "../../system/host-accounts.ts";
import { isSameHome, jailOfHome, joinHome, normalHome } from "../../system/separator.ts";
import type { DeclaredUser } from "../model.ts";
import { type OnceUser, uidOf } from "../once-shape.ts";
import { meansOther } from "./lost-name.ts";

// A backup of the declarations alone brings back the name of before: the jail of then says nothing of an account that has moved. With
// an older memory, too, nothing tells that an account had that name; it is remembered by another one, with the home that the section has.

type Accounts = Pick<HostAccounts, "userByName" | "userByUid">;

type Section = Pick<DeclaredUser, "name" | "uid" | "directory" | "jail" | "home">;

/** An account that a section may mean, and what is remembered of it. `by`: what tells it. */
export interface Former {
  readonly account: PasswdEntry;
  readonly once: OnceUser;
  readonly by: "name" | "home";
}

/** Whether the account of its name is there, and tells that a section means it. */
const isAsDeclared = ({ uid, directory, jail, home }: Section, account: PasswdEntry | undefined): boolean =>
  account !== undefined && (directory || uid === account.uid || isSameHome(account.home, jail, home));

/** The accounts that were declared by another name, before somebody renamed them. */
export class ByFormerName {
  constructor(
    private readonly users: readonly OnceUser[],
    private readonly accounts: Accounts,
  ) {}

  /** Those of which a user may be one, who has no account by its own name that is as declared, and whom nobody declares by the name of now. */
  of(user: Section, isDeclared: (name: ByteString) => boolean): Former[] {
    const named = this.#byName().get(user.name) ?? [];
    const housed = this.#byHome().get(joinHome(user.jail, normalPath(user.home))) ?? [];
    if (named.length + housed.length === 0) return [];
    const own = answered(() => ({ account: this.accounts.userByName(user.name) }));
    if (own === undefined || isAsDeclared(user, own.account)) return [];
    const isMeant = ({ account, once }: Former) =>
      once.name !== user.name && !isDeclared(account.name) && !meansOther(user, account);
    return [
      ...named.flatMap((once) => (once.directory === user.directory ? this.#named(once) : [])),
      ...(own.account === undefined && !user.directory ? housed.flatMap((once) => this.#renamed(once)) : []),
    ].filter(isMeant);
  }

  /** The account of a user, by its name. */
  #named(once: OnceUser): Former[] {
    const account = answered(() => this.accounts.userByName(once.name));
    return account !== undefined && uidOf(once) === account.uid ? [{ account, once, by: "name" }] : [];
  }

  /** The account of a user that lives in a jail under another name, by which nothing is remembered of it. */
  #renamed(once: OnceUser): Former[] {
    const { userByName, userByUid } = this.accounts;
    const uid = uidOf(once);
    return (
      answered((): Former[] => {
        const account = uid === undefined || userByName(once.name)?.uid === uid ? undefined : userByUid(uid);
        if (account === undefined || jailOfHome(account.home) === undefined) return [];
        const isKnown = this.users.some((one) => one.name === account.name && uidOf(one) === uid);
        return isKnown ? [] : [{ account, once, by: "home" }];
      }) ?? []
    );
  }

  readonly #byName = memoized(() => {
    const found = new Map<ByteString, OnceUser[]>();
    for (const user of this.users)
      for (const name of user.formerly ?? []) found.getOrInsertComputed(name, () => []).push(user);
    return found;
  });

  /** By the homes that apply created for them. */
  readonly #byHome = memoized(() => {
    const found = new Map<ByteString, OnceUser[]>();
    for (const user of this.users) {
      const { createdHome, directory, out } = user;
      if (createdHome === undefined || directory || out) continue;
      found.getOrInsertComputed(normalHome(createdHome), () => []).push(user);
    }
    return found;
  });
}
