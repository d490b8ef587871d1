import type { ByteString } from "../../../ffi/bytes.ts";
import { answered } from "../../cli/error.ts";
import { memoized } from "../../enter/gather.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import type { HostAccounts } from "../../system/host-accounts.ts";
import { isSameHome } from "../../system/separator.ts";
import type { DeclaredUser } from "../model.ts";
import { type OnceUser, uidOf } from "../once-shape.ts";
import { meansOther } from "./lost-name.ts";

// A backup of the declarations alone brings back the name of before: the jail of then says nothing of an account that has moved.

type Accounts = Pick<HostAccounts, "userByName">;

/** Whether the account of its name is there, and tells that a section means it. */
const isAsDeclared = (
  { uid, directory, jail, home }: Pick<DeclaredUser, "uid" | "directory" | "jail" | "home">,
  account: PasswdEntry | undefined,
): boolean =>
  account !== undefined && (directory || uid === account.uid || isSameHome(account.home, jail, home));

/** The accounts that were declared by another name, before somebody renamed them. */
export class ByFormerName {
  constructor(
    private readonly users: readonly OnceUser[],
    private readonly accounts: Accounts,
  ) {}

  /** Those of which a user may be one, who has no account by its own name that is as declared, and whom nobody declares by the name of now. */
  of(
    user: Pick<DeclaredUser, "name" | "uid" | "directory" | "jail" | "home">,
    isDeclared: (name: ByteString) => boolean,
  ): PasswdEntry[] {
    const all = this.#byName().get(user.name) ?? [];
    const { userByName } = this.accounts;
    if (all.length === 0 || answered(() => isAsDeclared(user, userByName(user.name))) !== false) return [];
    return all.flatMap((once) => {
      const account = isDeclared(once.name) ? undefined : answered(() => userByName(once.name));
      const isIt = account !== undefined && uidOf(once) === account.uid && once.directory === user.directory;
      return isIt && !meansOther(user, account) ? account : [];
    });
  }

  readonly #byName = memoized(() => {
    const found = new Map<ByteString, OnceUser[]>();
    for (const user of this.users)
      for (const name of user.formerly ?? []) found.getOrInsertComputed(name, () => []).push(user);
    return found;
  });
}
