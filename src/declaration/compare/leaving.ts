import type { ByteString } from "../../../ffi/bytes.ts";
import { directoryOf, normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { operands } from "../../cli/shell-word.ts";
import { memoized } from "../../enter/gather.ts";
import { lookUp, withTree } from "../../jail/fs/look.ts";
import { unmountedPlace } from "../../jail/fs/unmounted.ts";
import { hostPath, type JailRoot } from "../../jail/fs/walk.ts";
import { openNamedJail } from "../../jail/record/named-jail.ts";
import type { Leaving } from "../../jails/delete-request.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { accountFacts } from "../../system/host-accounts.ts";
import { NO_ACCESS } from "../../users/access.ts";
import { AccountRun } from "../../users/account-run.ts";
import { whyNotTaken } from "../../users/declared-keys.ts";
import { HOLDS_HOME, otherHomeIn, requireNoNeighbours } from "../../users/home-along.ts";
import { isTooLarge } from "../../users/home-owners.ts";
import { homeFor } from "../../users/jail-side.ts";
import { leaverOf } from "../../users/leaver.ts";
import { leaveCommand, shellsOutside } from "../../users/leaving.ts";
import { type AllSetIds, foreseeSetIds, setIdsOf, setIdsText } from "../../users/set-ids.ts";
import { unjailUser } from "../../users/unjail.ts";
import { type FaultText, faultText, stays, waitsFor } from "../change.ts";
import { plainIn } from "../kept-homes.ts";
import type { Once, OnceUser } from "../once-shape.ts";
import { absentFault, isDeleted } from "./absent.ts";
import { closedAccounts, closedIn } from "./closed-accounts.ts";
import { type Fate, fateOf } from "./fate.ts";
import { requireNoRestOf } from "./foresee-rest.ts";
import type { InJail } from "./in-jail.ts";
import type { JailState } from "./jail-state.ts";
import type { Machine } from "./machine.ts";
import type { OpenJails } from "./open-jails.ts";

/** What becomes of a user; undefined if that is not known. `fault`: why the user cannot leave. */
export interface Leave {
  readonly fate?: Fate | undefined;
  readonly fault?: FaultText | undefined;
  /** The jail's files cannot be changed, so that logins end on this machine. */
  readonly isClosed?: boolean;
  /** The account cannot leave, as its user may have brought about: no session begins all the same. */
  readonly ends?: boolean;
}

/** Users in another order: those first whose homes are in homes of others of them. */
export function innerFirst(users: readonly OnceUser[], machine: Machine): readonly OnceUser[] {
  const homes = new Map(
    users.map(({ name }) => [name, answered(() => machine.accounts.userByName(name)?.home)]),
  );
  const places = new Set([...homes.values()].flatMap((home) => (home === undefined ? [] : normalPath(home))));
  const depth = ({ name }: OnceUser): number => {
    let count = 0;
    let path = normalPath(homes.get(name) ?? "/");
    while (path !== "/") {
      path = directoryOf(path);
      if (places.has(path)) count++;
    }
    return count;
  };
  const depths = new Map(users.map((user) => [user, depth(user)]));
  return users.toSorted((a, b) => (depths.get(b) ?? 0) - (depths.get(a) ?? 0));
}

/** Users who leave, one after the other. */
export class Leavers {
  /** Those who will have left. */
  readonly leaving: (Leaving & { jail: ByteString })[] = [];
  /** Those who cannot leave, or of whom only the run finds out; and the fault of the jail that keeps them. */
  readonly waiting: (Pick<OnceUser, "name" | "jail"> & { readonly cause?: FaultText | undefined })[] = [];
  /** Those who leave, and whose homes are not where they were. */
  readonly #moved = new Set<ByteString>();
  readonly #left = new Set<ByteString>();
  /** The programs of users of a jail, which is looked through once: it may have millions of files. */
  readonly #setIds = new Map<ByteString, AllSetIds | undefined>();
  /** Why nobody can be taken out of these jails. */
  readonly #closed = new Map<ByteString, Closed | undefined>();
  readonly #deleted = new Map<ByteString, boolean>();
  /** Where jails may be that have moved. */
  readonly #places: readonly ByteString[];

  /** `jails`: those that are declared; `before`: what was. `inhabitants`: the declared users of each jail. */
  constructor(
    private readonly machine: Machine,
    private readonly jails: OpenJails,
    private readonly asked: {
      readonly prune: boolean;
      readonly deleteHomes: boolean;
      readonly jails: ReadonlySet<ByteString>;
      readonly before: Once;
    },
    inhabitants: ReadonlyMap<ByteString, unknown>,
  ) {
    this.#places = [...inhabitants.keys()];
  }

  /** Adds one who is in a jail. */
  add(once: OnceUser): Leave {
    const { name, jail } = once;
    const silent = this.#whySilent(name);
    if (silent !== undefined) {
      this.waiting.push({ name, jail });
      return { fate: undefined, fault: stays(silent) };
    }
    // Of a home that is too large the run says it, when logins have ended: what users can bring about must not keep these.
    const found = answered((): Leave => {
      const account = this.machine.accounts.userByName(name);
      const { state, root, inside } = this.jails.get(jail);
      if (root !== undefined) return this.#look(root, inside, account, once);
      // What it still has is not in the jail.
      const isGone = () => isDeleted(jail, this.#places);
      if (once.directory && this.#deleted.getOrInsertComputed(jail, isGone))
        return { fate: { how: "line", home: undefined, isGone: true } };
      const closed = this.#closed.getOrInsertComputed(jail, () => whyNotOpened(jail, state, this.#places));
      return { fate: undefined, fault: closed && withWayOut(closed, account, once, this.#isOwn(jail)) };
    });
    if (found?.fate === undefined || found.fault !== undefined)
      this.waiting.push({ name, jail, cause: found?.fault?.cause });
    if (found?.fate === undefined) return { fate: undefined, fault: found?.fault };
    const { fate, fault } = found;
    if (fault === undefined && fate.how !== "stays") {
      this.leaving.push({ name, jail, home: fate.home && this.#plain(jail, fate.home) });
      if (fate.how !== "line") this.#left.add(name);
      if (fate.home !== undefined) this.#moved.add(name);
    }
    return found;
  }

  #plain(jail: ByteString, home: ByteString): ByteString {
    const { root } = this.jails.get(jail);
    return root === undefined ? home : plainIn(root, home);
  }

  /** True if a jail is or was declared: apply forgets one that is gone, or makes it again. */
  #isOwn(jail: ByteString): boolean {
    const { jails, before } = this.asked;
    return jails.has(jail) || before.jails.some(({ path }) => path === jail);
  }

  /** Why nothing is known of an account, which no user brings about: undefined if its name service answers. */
  #whySilent(name: ByteString): FaultText | undefined {
    try {
      this.machine.accounts.userByName(name);
      return undefined;
    } catch (error) {
      return faultText(error);
    }
  }

  #look(root: JailRoot, inside: InJail, account: PasswdEntry | undefined, once: OnceUser): Leave {
    const homes = () => inside.homes;
    const fate = fateOf(root, account, once, this.asked.deleteHomes, { gone: this.#moved, homes });
    const hasLine = this.asked.prune && inside.accounts?.userByName(once.name) !== undefined;
    const closed = hasLine ? closedIn(root, root.path, ["/etc/passwd"]) : undefined;
    if (closed !== undefined) return { fate, fault: closedFault(once, closed), isClosed: true };
    const home = account ?? inside.accounts?.userByName(once.name);
    // What is there is not known, nor whose it would be.
    const hidden = home && fate.how !== "stays" && unmountedPlace(root, [homeFor(home, root.path)]);
    if (hidden) return { fate, fault: stays(faultText(hidden)), ends: true };
    const isOut = fate.how === "out" && account !== undefined;
    if (isOut) {
      const fault =
        this.#whyNotOut(root, account, fate.home, once.recordedAs) ?? keysFault(root, account, once);
      const setIds = fault === undefined ? this.#setIdsOf(root, account, once) : undefined;
      return { fate: { ...fate, setIds }, fault, ends: fault !== undefined };
    }
    const loses = account !== undefined && fate.how !== "stays";
    const why = loses && fate.how === "removed" ? closedAccounts(root.path) : undefined;
    return {
      fate: { ...fate, setIds: loses ? this.#setIdsOf(root, account, once) : undefined },
      fault: why && stays(why),
    };
  }

  /** Thousands may leave. */
  readonly #facts = memoized(() => accountFacts());

  /** What the run takes from programs of an account; it says itself what cannot be looked at. */
  #setIdsOf(root: JailRoot, account: PasswdEntry, { groups }: OnceUser): string | undefined {
    if (!this.asked.prune) return undefined;
    const all = this.#setIds.getOrInsertComputed(root.path, () => answered(() => foreseeSetIds(root)));
    return all && answered(() => setIdsText(root, setIdsOf(all, leaverOf(account, groups, this.#facts()))));
  }

  #whyNotAlone(root: JailRoot, account: PasswdEntry, home: ByteString): Leave["fault"] {
    try {
      requireNoNeighbours(root, account, home, { left: this.#left });
      return undefined;
    } catch (error) {
      return isTooLarge(error) ? undefined : stays(faultText(error));
    }
  }

  /** What the code that takes accounts out of jails would refuse. */
  #whyNotOut(root: JailRoot, account: PasswdEntry, home = "/", recordedAs?: ByteString): Leave["fault"] {
    const options = {
      jail: root.path,
      shell: undefined,
      access: NO_ACCESS,
      dryRun: true,
      move: true,
      isBrief: true,
      recordedAs,
    };
    try {
      const run = new AccountRun(account.name);
      withTree((host) => unjailUser(account, { ...options, host }, run));
      requireNoRestOf([hostPath(root, home), normalPath(run.home ?? home)], this.machine.leftMoves());
      return undefined;
    } catch (error) {
      const why = faultText(error);
      const { code } = why;
      // Logins end before the sessions do, and the run completes what an interrupted one has begun.
      if (code === "has-processes" || code === "home-aside" || isTooLarge(error)) return undefined;
      const isAlone =
        code === HOLDS_HOME && otherHomeIn(account, hostPath(root, home), this.#left) === undefined;
      return isAlone ? this.#whyNotAlone(root, account, home) : stays(why);
    }
  }
}

/** Why the keys of one who leaves cannot be taken from the home, as the run would say it. */
function keysFault(root: JailRoot, user: PasswdEntry, { keys }: OnceUser): FaultText | undefined {
  const home = homeFor(user, root.path);
  const why = answered(() => {
    if (keys.length === 0 || lookUp(root, home) === undefined) return undefined;
    return whyNotTaken({ root, home, user });
  });
  return why && stays(faultText(why));
}

/** Why a user stays in a jail whose files cannot be changed. A directory's account keeps its shell. */
function closedFault({ name, jail, directory }: OnceUser, why: FaultText): FaultText {
  const fault = stays(waitsFor(jail, why));
  const still = directory ? `; ${quoted(name)} can still log in` : "";
  return { ...fault, message: fault.message + still };
}

/** Why nobody can be taken out of a jail. */
interface Closed {
  readonly fault: NonNullable<Leave["fault"]>;
  /** The recorded shells of its users, if nobody knows where it is; else undefined. */
  readonly shells: ReturnType<typeof shellsOutside> | undefined;
}

/** The same for a user. A jail that somebody has deleted comes back from nowhere. */
function withWayOut(
  { fault, shells }: Closed,
  account: PasswdEntry | undefined,
  { jail, directory }: OnceUser,
  isOwn: boolean,
): Leave["fault"] {
  if (shells === undefined || account === undefined) return fault;
  const forgets = isOwn
    ? "if it was deleted, 'jailkit apply --prune' forgets it, and the run after that ends this"
    : `if it was deleted: jailkit forget ${operands(jail)}`;
  // No command takes one of a directory out.
  const leave = directory ? forgets : `if it was deleted: ${leaveCommand([account], shells, { move: true })}`;
  return { ...fault, message: `${fault.message}; ${leave}` };
}

/**
 * Undefined if the jail can be opened, after all. One that is not mounted or was moved has the fault that it has itself;
 * `places`: as in whereMoved.
 */
function whyNotOpened(
  jail: ByteString,
  { fault: known }: JailState,
  places: readonly ByteString[],
): Closed | undefined {
  const lost = known ?? absentFault(jail, places);
  if (lost?.code === "moved" || lost?.code === "not-mounted") {
    return { fault: stays(waitsFor(jail, lost)), shells: undefined };
  }
  try {
    openNamedJail(jail)[Symbol.dispose]();
    return undefined;
  } catch (error) {
    const why = faultText(error);
    if (why.code !== "no-such-jail") return { fault: stays(waitsFor(jail, why)), shells: undefined };
    return { fault: stays(why), shells: shellsOutside(jail) };
  }
}
