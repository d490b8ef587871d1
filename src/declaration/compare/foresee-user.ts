import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath, parentOf } from "../../../ffi/paths.ts";
import { JailkitError } from "../../cli/error.ts";
import { isDoubtfulHome } from "../../explain/doubtful-home.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import { homeInside, homeOfOther } from "../../jail/accounts/home-place.ts";
import { isLimitedShell } from "../../jail/accounts/jailed-users.ts";
import { lookUp, withTree } from "../../jail/fs/look.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { below } from "../../system/mountinfo.ts";
import { joinHome } from "../../system/separator.ts";
import type { Access } from "../../users/access.ts";
import { recallAll } from "../../users/account-record.ts";
import { AccountRun } from "../../users/account-run.ts";
import { homeFor, requireLines } from "../../users/jail-side.ts";
import { groupsOf, jailUser } from "../../users/jailing.ts";
import { planNewAccount } from "../../users/new-account.ts";
import { NewAccountHost, NewAccountPlace } from "../../users/new-account-place.ts";
import { requireNoOtherShell, requireReadyJail, requireShell } from "../../users/open-jail.ts";
import { otherHome } from "../../users/own-home.ts";
import { requireOwnSection, requireReplaceable } from "../../users/policy.ts";
import { prepareJail } from "../../users/prepare.ts";
import type { Seen } from "../../users/seen.ts";
import { type Change, isCreation } from "../change.ts";
import { dueTo } from "../due.ts";
import type { DeclaredUser } from "../model.ts";
import type { OnceUser } from "../once-shape.ts";
import { NO_ACCOUNTS, requireLeaving } from "./foresee-leaving.ts";
import { requireNoRestOf } from "./foresee-rest.ts";
import { requireHomePlace, requireNotHeld, requireNotReadOnly } from "./foresee-writable.ts";
import { FormerLines } from "./former-lines.ts";
import type { InJail } from "./in-jail.ts";
import { accessOf, DECLARED, movesHome, sideAccessOf, valuesOf } from "./intent.ts";
import { type Machine, requireOwnDropIn } from "./machine.ts";
import { requireNewUser, requireNobodysHome, requireOwnHome } from "./new-home.ts";
import { type NewUids, newUid } from "./returning.ts";
import type { UserComparison } from "./user-state.ts";

/** What is planned for a user. */
export interface Planned {
  readonly declared: DeclaredUser;
  readonly changes: readonly Change[];
  readonly once: OnceUser | undefined;
}

/** What counts besides the jail and the machine. */
interface About {
  /** All who are declared in the jail, with the homes that they keep. */
  readonly users: readonly DeclaredUser[];
  /** Files are brought into the jail first, such as a shell. */
  readonly isFilled: boolean;
  /** Something is removed from the jail first, which may be what is in the way; it brings no shell. */
  readonly isCleared: boolean;
  /** Users who leave before, perhaps with their homes. */
  readonly leave: ReadonlySet<ByteString>;
  /** Those of new accounts. */
  readonly uids: NewUids;
}

/**
 * What the code that jails accounts would refuse of the changes of a jail's users. It plans them and makes nothing, so that
 * no right is given, and no line written, for an account that cannot be there afterwards.
 */
export class UserForesight {
  #isReady = false;
  #isHostReady = false;
  readonly #access = new Map<ByteString, Access>();
  readonly #shells = new Set<ByteString>(); // Those that are there.
  readonly #lines: FormerLines;
  #homes: ReadonlyMap<ByteString, DeclaredUser> | undefined;
  #place: NewAccountPlace | undefined;
  readonly #host = new NewAccountHost();
  #seen: Seen | undefined;

  constructor(
    private readonly inside: InJail,
    private readonly machine: Machine,
    private readonly about: About,
  ) {
    this.#lines = new FormerLines(inside, machine, about.users);
  }

  /**
   * Throws the JailkitError with which the changes of a user would fail, or that the jail lacks the shell of one without.
   * Returns the account, if its home moves into the jail, or is there before a new account.
   */
  require(planned: Planned): Pick<UserComparison, "moves" | "doubtful"> {
    const { declared, changes } = planned;
    const { root, jail } = this.inside;
    if (changes.length === 0) {
      if (root !== undefined) this.#requireShell(root, declared.shell);
      return {};
    }
    if (root !== undefined) this.#requireJail(root, declared);
    const isOf = (...what: readonly Change["what"][]) => changes.some((change) => what.includes(change.what));
    if (isOf("account", "home")) this.#requireOutside(declared);
    if (this.about.isCleared) {
      if (root !== undefined) this.#requireNoneStays(root, planned);
      if (changes.some(isCreation)) this.#takeUid(planned);
      return {};
    }
    if (isOf("policy")) this.#requirePolicy(declared);
    if (root !== undefined) requireNotHeld(root, changes);
    if (isOf("account", "groups", "comment")) this.#requireHost(jail);
    const account = this.machine.accounts.userByName(declared.name);
    if (account !== undefined) {
      const moves = this.#requireAccount(account, planned);
      if (isOf("entry")) this.#lines.become(account);
      return { moves };
    }
    const found = this.#requireNew(planned);
    this.#takeUid(planned);
    return found;
  }

  /** Nobody else gets the uid of a new account. */
  #takeUid({ declared, once }: Planned): void {
    if (newUid(declared, once, this.machine.laterByUid) === undefined) this.about.uids.take();
  }

  #requireNew({ declared, once }: Planned): Pick<UserComparison, "doubtful"> {
    const { root } = this.inside;
    const uid = newUid(declared, once, this.machine.laterByUid);
    if (root === undefined && !this.inside.isClosed)
      requireNewUser(declared, valuesOf(declared, uid, this.about.uids.next), uid, this.#host);
    if (root !== undefined) {
      this.#lines.requireFree(declared);
      requireNobodysHome(root, declared, this.machine);
      const nonUnique = uid !== undefined && this.machine.isFreed(uid);
      // None of them is created here.
      this.#place ??= new NewAccountPlace(root, () => this.#lines.in(root));
      const values = { ...valuesOf(declared, uid, this.about.uids.next), nonUnique };
      const { user, jailHome } = planNewAccount(
        root,
        values,
        this.#accessOf(declared),
        DECLARED,
        this.#place,
        (account) => requireOwnHome(account, declared, this.machine.laterByUid),
      );
      const home = lookUp(root, jailHome)?.stat;
      if (home !== undefined && isDoubtfulHome(home, user)) return { doubtful: user };
    }
    return {};
  }

  /** Throws JailkitError for a new account whose home is there, and is not that of one which leaves first with its home. */
  #requireNoneStays(root: JailRoot, { declared, changes, once }: Planned): void {
    const jailHome = normalPath(declared.home);
    if (!changes.some(isCreation)) return;
    requireNobodysHome(root, declared, this.machine);
    if (!this.machine.staysThere(joinHome(root.path, jailHome)) && this.#mayLeave(root, jailHome)) return;
    const uid = newUid(declared, once, this.machine.laterByUid) ?? this.about.uids.next();
    requireOwnHome({ root, jailHome, user: { uid } }, declared, this.machine.laterByUid);
  }

  /** Whether a home is, or is in, that of a user who leaves. */
  #mayLeave(root: JailRoot, home: ByteString): boolean {
    for (let path = home; path !== ""; path = parentOf(path)) {
      const uid = lookUp(root, path)?.stat.uid;
      const owner = uid === undefined ? undefined : this.machine.accounts.userByUid(uid);
      if (owner !== undefined && this.about.leave.has(owner.name)) return true;
    }
    return false;
  }

  /** The jail itself is looked at once. */
  #requireJail(root: JailRoot, { shell }: DeclaredUser): void {
    if (!this.#isReady) {
      dueTo({ jail: root.path }, () => {
        if (!this.about.isFilled) requireReadyJail(root, DECLARED);
        requireNotReadOnly(root, "/etc", root.path);
      });
      this.#isReady = true;
    }
    this.#requireShell(root, shell);
  }

  #requireHost(jail: ByteString): void {
    if (!this.#isHostReady) withTree((host) => requireNotReadOnly(host, "/etc", jail));
    this.#isHostReady = true;
  }

  /** Groups are looked up once for all who join the same. */
  #accessOf({ groups, keys }: DeclaredUser): Access {
    const find = () => accessOf({ groups, keys: undefined });
    return { ...this.#access.getOrInsertComputed(groups.join(), find), keys: keys ?? [] };
  }

  #requireShell(root: JailRoot, shell: ByteString): void {
    if (this.#shells.has(shell)) return;
    // No filling replaces it.
    dueTo({ jail: root.path }, () => requireNoOtherShell(root, shell));
    if (this.about.isFilled) return;
    requireShell(root, shell, DECLARED);
    this.#shells.add(shell);
  }

  /** A home is not created in one that is there only after this, nor for two. */
  #requireOutside({ name, home, directory }: DeclaredUser): void {
    const { root, jail } = this.inside;
    const own = normalPath(home);
    this.#homes ??= new Map(
      this.about.users
        .toReversed()
        .toSorted(keptLast)
        .map((user) => [normalPath(user.home), user]),
    );
    const advice = () => (directory ? otherHome({ name }, { path: jail }, own) : DECLARED.home);
    const same = this.#homes.get(own);
    if (same !== undefined && same.name !== name && this.inside.accounts?.userByName(name) === undefined)
      throw homeOfOther({ path: jail }, own, same, advice());
    for (let above = parentOf(own); above !== ""; above = parentOf(above)) {
      const outer = this.#homes.get(above);
      if (outer === undefined || (root !== undefined && lookUp(root, above) !== undefined)) continue;
      throw new JailkitError("unsafe-parent", 1, `its ${homeInside(home, outer, advice())}`);
    }
  }

  /** The section of a user must be one that apply may write. */
  #requirePolicy({ name, shell }: DeclaredUser): void {
    const { root } = this.inside;
    requireOwnSection(name);
    if (!isLimitedShell(shell)) requireOwnDropIn(name);
    else if (root !== undefined) requireReplaceable(root, this.inside.policyOf(name));
  }

  #seenIn(root: JailRoot): Seen {
    this.#seen ??= {
      accounts: this.inside.accounts ?? readJailAccounts(root),
      recorded: recallAll(root),
      processesOf: this.machine.processesOf,
    };
    return this.#seen;
  }

  #requireAccount(account: PasswdEntry, { declared, changes }: Planned): PasswdEntry | undefined {
    const { root, jail } = this.inside;
    const { shell, directory } = declared;
    const some = (is: (change: Change) => boolean) =>
      changes.some((one) => one.action !== "remove" && is(one));
    const lines = some(({ what }) => what === "entry" || what === "shell" || what === "home");
    const newKeys = some(({ what, action }) => what === "keys" && action === "create");
    const run = new AccountRun(declared.name, undefined, DECLARED);
    if (root === undefined && directory) requireLines(account, groupsOf(account, this.machine.facts), jail);
    const seen = root && this.#seenIn(root);
    const common = { jail, shell, dryRun: true, facts: this.machine.facts, ...(seen && { seen }) };
    if (root !== undefined) requireHomePlace(root, homeFor(account, jail), changes);
    if (root !== undefined && (lines || (directory && newKeys))) {
      const access = sideAccessOf(declared);
      passAside(() =>
        withTree((host) => prepareJail(account, root, { ...common, host, access, move: false }, run)),
      );
    }
    if (directory || !(newKeys || some(({ what }) => what === "account" || what === "groups")))
      return undefined;
    const move = movesHome(account) && below(normalPath(account.home), jail) === undefined;
    const access = this.#accessOf(declared);
    const places = [normalPath(account.home), `${jail}${homeFor(account, jail)}`];
    if (move) requireNoRestOf(places, this.machine.leftMoves());
    if (root === undefined || seen === undefined || (lines && !move))
      return requireLeaving(account, jail, { shell, access, move }, this.machine);
    // Before it is jailed its lines are made right, which would be in the way.
    const then = lines ? { ...seen, accounts: NO_ACCOUNTS } : seen;
    passAside(() =>
      withTree((host) => jailUser(account, root, { ...common, host, access, move, seen: then }, run)),
    );
    return run.moveFrom === undefined ? undefined : account;
  }
}

/** An account that keeps its home goes before others: no declaration gives it another one. */
const keptLast = (one: DeclaredUser, other: DeclaredUser): number =>
  Number(one.keeps?.includes("home") === true) - Number(other.keeps?.includes("home") === true);

/** The run completes what an interrupted one has begun. */
function passAside(look: () => void): void {
  try {
    look();
  } catch (error) {
    if (!(error instanceof JailkitError) || error.code !== "home-aside") throw error;
  }
}
