import { quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { type JailAccounts, readJailAccounts } from "../../jail/accounts/accounts.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import type { HostAccounts } from "../../system/host-accounts.ts";
import { homeFor } from "../../users/jail-side.ts";
import type { DeclaredUser } from "../model.ts";
import { fixed, type InJail } from "./in-jail.ts";
import type { Machine } from "./machine.ts";

// The line of a renamed account in its jail has the name of before until a run gives it that of now. Who is to get the name of
// before comes after that.

type Accounts = Pick<HostAccounts, "userByName" | "userByUid">;

/** The account of another name that has the line of a name which nobody has on this machine. */
function ownerOfLine(
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

/** The lines of a jail, as the changes of accounts that are there make them. */
export class FormerLines {
  readonly #becoming = new Map<number, Pick<PasswdEntry, "name" | "home">>();

  /** `users`: those whose changes are made in the same run. */
  constructor(
    private readonly inside: Pick<InJail, "accounts" | "jail">,
    private readonly machine: Pick<Machine, "accounts" | "declaredUser">,
    private readonly users: readonly Pick<DeclaredUser, "name">[],
  ) {}

  /** The line of an account is made right, which may have a former name and home. */
  become(account: PasswdEntry): void {
    const { name } = account;
    this.#becoming.set(account.uid, { name, home: homeFor(account, this.inside.jail) });
  }

  /** All lines, when new accounts come. Throws SystemError. */
  in(root: JailRoot): JailAccounts {
    const { users, groups } = this.inside.accounts ?? readJailAccounts(root);
    const { userByName } = this.machine.accounts;
    const now = (line: PasswdEntry) =>
      userByName(line.name) === undefined ? this.#becoming.get(line.uid) : {};
    return fixed({ users: users.map((line) => ({ ...line, ...now(line) })), groups });
  }

  /** Throws JailkitError for a new account if the line of its name is that of a declared one, which has no other line. */
  requireFree({ name, jail }: Pick<DeclaredUser, "name" | "jail">): void {
    const owner = ownerOfLine(this.inside.accounts?.userByName(name), this.machine.accounts);
    const section = owner && this.machine.declaredUser(owner.name);
    if (owner === undefined || section?.jail !== jail || this.#becoming.has(owner.uid)) return;
    if (this.inside.accounts?.userByName(owner.name) !== undefined) return;
    const shown = quoted(`${jail}/etc/passwd`);
    const is = `the line of this name in ${shown} is that of ${quoted(owner.name)}, by its uid ${owner.uid}`;
    if (this.users.some((user) => user.name === owner.name))
      throw new JailkitError("user-exists", 1, `${is}: it waits for ${quoted(owner.name)}`);
    const remedy: Remedy = `jailkit apply ${operands(section.place.file)}`;
    throw new JailkitError("user-exists", 1, `${is}, which gets its name with: ${remedy}`, undefined, remedy);
  }
}
