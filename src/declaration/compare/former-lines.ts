import type { ByteString } from "../../../ffi/bytes.ts";
import { answered } from "../../cli/error.ts";
import type { JailAccounts } from "../../jail/accounts/accounts.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import type { HostAccounts } from "../../system/host-accounts.ts";
import type { DeclaredUser } from "../model.ts";
import { fixed, type InJail } from "./in-jail.ts";

// The line of a renamed account in its jail has the name of before until a run gives it that of now. Who is to get the name of
// before comes after that.

type Accounts = Pick<HostAccounts, "userByName" | "userByUid">;

/** The account of another name that has the line of a name which nobody has on this machine. */
export function ownerOfLine(
  line: PasswdEntry | undefined,
  { userByName, userByUid }: Accounts,
): PasswdEntry | undefined {
  if (line === undefined || userByName(line.name) !== undefined) return undefined;
  const owner = userByUid(line.uid);
  return owner?.name === line.name ? undefined : owner;
}

/** The users of a jail in the order in which they are made: those first whose lines have the names of new accounts. */
export function ownersFirst(
  users: readonly DeclaredUser[],
  inside: Pick<InJail, "accounts">,
  accounts: Accounts,
): readonly DeclaredUser[] {
  const ownerOf = ({ name }: DeclaredUser) =>
    answered(() => ownerOfLine(inside.accounts?.userByName(name), accounts)?.name);
  const owners = new Set(users.flatMap((user) => (user.directory ? [] : (ownerOf(user) ?? []))));
  const { first = [], last = [] } = Object.groupBy(users, ({ name }) =>
    owners.has(name) ? "first" : "last",
  );
  return [...first, ...last];
}

/** The accounts of a jail when those of some uids have got their names there. */
export function withNames(
  accounts: JailAccounts,
  named: ReadonlyMap<number, ByteString>,
  userByName: HostAccounts["userByName"],
): JailAccounts {
  if (named.size === 0) return accounts;
  const users = accounts.users.map((line) => {
    const name = named.get(line.uid);
    return name === undefined || userByName(line.name) !== undefined ? line : { ...line, name };
  });
  return fixed({ ...accounts, users });
}
