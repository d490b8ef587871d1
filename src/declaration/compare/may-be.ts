import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { memoized } from "../../enter/gather.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { openJailRoot } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import type { HostAccounts } from "../../system/host-accounts.ts";
import { homeInJail, isSameHome, joinHome, livesIn, normalHome } from "../../system/separator.ts";
import type { FaultText } from "../change.ts";
import type { DeclaredUser } from "../model.ts";
import { type OnceUser, uidOf } from "../once-shape.ts";
import type { Other } from "./exchanged.ts";
import { meansOther, renamedOwner } from "./lost-name.ts";

// A backup of passwd(5), of what is remembered, or of the declarations brings back the former name of an account, or takes away
// the one of now: then nobody declares it, and it is that of a declared user all the same.

interface Sources {
  readonly declared: () => Iterable<DeclaredUser>;
  /** What was declared once, by name. */
  readonly once: (name: ByteString) => OnceUser | undefined;
  /** As Followed has it. */
  readonly othersOf: (user: DeclaredUser) => readonly Other[];
  readonly accounts: Pick<HostAccounts, "userByName" | "userByUid">;
}

/** Whom the accounts that nothing declares may be. What is declared is looked at when somebody asks first. */
export class MayBe {
  constructor(private readonly sources: Sources) {}

  /** The declared user who an account may be, by its uid, or whose home it has. */
  userOf = (account: PasswdEntry): DeclaredUser | undefined => {
    const { byName, byHome } = this.#found();
    return byName.get(account.name)?.user ?? byHome.get(normalHome(account.home));
  };

  /** Why nothing is taken from an account that nothing declares. */
  fault(account: PasswdEntry): FaultText | undefined {
    const user = this.userOf(account);
    if (user === undefined) return undefined;
    const other = this.#found().byName.get(account.name);
    const how = other === undefined || other.by === "uid" ? `uid ${account.uid}` : `${other.by} of before`;
    const by = other === undefined ? `home ${quoted(homeInJail(account.home))}` : how;
    const { file, line } = user.place;
    const message = `${quoted(`[user ${user.name}]`)} of ${quoted(file)}, line ${line}, may mean this account, by its ${by}`;
    return { code: "doubtful-account", message };
  }

  readonly #found = memoized(() => {
    const byName = new Map<ByteString, { readonly user: DeclaredUser; readonly by: Other["by"] }>();
    const byHome = new Map<ByteString, DeclaredUser>();
    for (const user of this.sources.declared()) {
      const own = answered(() => ({ account: this.sources.accounts.userByName(user.name) }))?.account;
      // Of a directory, a section means whoever has the name.
      const isNamed = user.directory && own !== undefined;
      for (const { account, by } of isNamed ? [] : this.#othersOf(user, own))
        byName.set(account.name, { user, by });
      if (!hasHomeOf(user, own)) for (const home of this.#homesOf(user)) byHome.set(home, user);
    }
    return { byName, byHome };
  });

  /** Those that a user has in the jail by its section, or had when they were created. */
  #homesOf({ name, jail, home, uid }: DeclaredUser): ByteString[] {
    const once = this.sources.once(name);
    const created =
      once !== undefined && [undefined, uidOf(once)].includes(uid) ? once.createdHome : undefined;
    const before = created !== undefined && livesIn(jail, created) ? [normalHome(created)] : [];
    return [joinHome(jail, normalPath(home)), ...before];
  }

  /** The accounts of which a user may have one. `own`: the account of its name. */
  #othersOf(user: DeclaredUser, own: PasswdEntry | undefined): readonly Other[] {
    const others = this.sources.othersOf(user);
    if (others.length > 0 || own !== undefined) return others;
    const owner = this.#ownerOfLine(user) ?? this.#ownerOfHome(user);
    return owner === undefined ? [] : [{ account: owner, by: "uid" }];
  }

  #ownerOfLine(user: DeclaredUser): PasswdEntry | undefined {
    return answered(() => {
      using root = openJailRoot(user.jail);
      // Only of those who are not declared somebody asks.
      return renamedOwner(user, readJailAccounts(root), this.sources.accounts);
    });
  }

  /** The account to which the declared home belongs, and whose own is not there, as after an older passwd(5) has come back. */
  #ownerOfHome(user: DeclaredUser): PasswdEntry | undefined {
    return answered(() => {
      using root = openJailRoot(user.jail);
      const uid = lookUp(root, normalPath(user.home))?.stat.uid ?? 0;
      const owner = uid === 0 ? undefined : this.sources.accounts.userByUid(uid);
      const isIt = owner !== undefined && livesIn(root.path, owner.home) && !meansOther(user, owner);
      return isIt && lookUp(root, homeInJail(owner.home)) === undefined ? owner : undefined;
    });
  }
}

/** Whether a user is there with the home that is declared: then whoever has it, too, is somebody else. */
const hasHomeOf = ({ jail, home, directory }: DeclaredUser, account: PasswdEntry | undefined): boolean =>
  account !== undefined && (directory || isSameHome(account.home, jail, home));
