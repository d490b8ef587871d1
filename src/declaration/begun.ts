import type { ByteString } from "../../ffi/bytes.ts";
import { type Change, isCreation } from "./change.ts";
import { union } from "./once.ts";
import type { OnceJail, OnceUser } from "./once-shape.ts";

// What is there of a jail or a user that could not be made is of others, and so is what a run that was killed has not come
// to. So what is declared counts when it is made, and of a change that is begun what the machine did not have.

/** The changes of a jail or user that give something. */
interface Giving {
  /** Those that are not made. */
  readonly left: Set<Change>;
  readonly begun: Set<Change>;
  readonly made: Set<Change>;
  /** What counts of a value, until any of these changes. */
  counts: { readonly of: object; readonly value: OnceJail | OnceUser | undefined } | undefined;
}

type Value<Of extends Change["of"]> = Of extends "jail" ? OnceJail : OnceUser;
type ByName<Of extends Change["of"]> = ReadonlyMap<ByteString, Value<Of>>;

/** What of a declaration counts while it is carried out. */
export class Begun {
  readonly #all = new Map<string, Giving>();

  /** `changes`: all that are to be made. `before`: what was declared before. */
  constructor(
    changes: readonly Change[],
    private readonly before: { readonly [Of in Change["of"]]: ByName<Of> },
  ) {
    for (const change of changes) {
      if (change.action === "remove") continue;
      const nothing = (): Giving => ({
        ...{ left: new Set(), begun: new Set(), made: new Set() },
        counts: undefined,
      });
      this.#all.getOrInsertComputed(keyOf(change), nothing).left.add(change);
    }
  }

  /** Gets a change that is about to be made; false if nothing counts by it. */
  begin(change: Change): boolean {
    const giving = this.#all.get(keyOf(change));
    if (giving?.left.has(change) !== true) return false;
    giving.begun.add(change);
    giving.counts = undefined;
    return true;
  }

  /**
   * Gets what has become of a change; true if it was begun and is not made. "in-part": it failed, and may have given what this
   * machine did not have.
   */
  end(change: Change, status: "done" | "failed" | "in-part" | "not-done"): boolean {
    if (status === "in-part") return false;
    const giving = this.#all.get(keyOf(change));
    if (giving === undefined) return false;
    const { left, begun, made } = giving;
    const isBegun = begun.delete(change);
    giving.counts = undefined;
    if (status === "done") left.delete(change);
    // A jail that could not be made whole is there.
    const isThere = change.of === "jail" && change.action === "create" && status === "failed";
    if (status === "done" || isThere) made.add(change);
    if (left.size === 0) this.#all.delete(keyOf(change));
    return isBegun && status !== "done";
  }

  /** What counts of these jails or users, of `all` that are declared. */
  counting<Of extends Change["of"]>(of: Of, names: Iterable<ByteString>, all: ByName<Of>): Value<Of>[] {
    const before: ReadonlyMap<ByteString, OnceJail | OnceUser> = this.before[of];
    return [...names].flatMap((name) => {
      const now = all.get(name);
      const giving = this.#all.size === 0 ? undefined : this.#all.get(keyOf({ of, name }));
      if (now === undefined || giving === undefined) return now ?? [];
      if (giving.counts?.of !== now) {
        const isOthers = !before.has(name) && giving.begun.size + giving.made.size === 0;
        giving.counts = { of: now, value: isOthers ? undefined : countsOf(now, before.get(name), giving) };
      }
      return (giving.counts.value as Value<Of> | undefined) ?? [];
    });
  }
}

const keyOf = ({ of, name }: Pick<Change, "of" | "name">) => `${of} ${name}`;

/** What counts of a jail or user that is its own at least in part. */
function countsOf(
  now: OnceJail | OnceUser,
  before: OnceJail | OnceUser | undefined,
  giving: Giving,
): OnceJail | OnceUser {
  const begun = [...giving.begun];
  const given = [...giving.made, ...begun];
  const has = (what: Change["what"]) => given.some((change) => change.what === what);
  const isMade = (what: Change["what"], left: Iterable<Change> = []) =>
    [...giving.made].some((change) => change.what === what) &&
    ![...left].some((change) => change.what === what);
  if (!("groups" in now) || isMade("account") || begun.some(isCreation)) return now;
  const { groups = [], keys = [], policy = false } = before !== undefined && "groups" in before ? before : {};
  const joined = given.flatMap(({ what, items }) => (what === "groups" ? items : []));
  return {
    ...now,
    policy: has("policy") ? now.policy : policy,
    groups: isMade("groups", giving.left) ? now.groups : union(groups, joined),
    keys: has("keys") ? now.keys : keys,
  };
}
