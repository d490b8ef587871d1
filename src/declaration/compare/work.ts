import type { ByteString } from "../../../ffi/bytes.ts";
import type { lackingWords } from "../bring.ts";
import { type Change, type Fault, type FaultText, waitsFor } from "../change.ts";
import type { DeclaredJail, DeclaredUser } from "../model.ts";
import type { UserComparison } from "./user-state.ts";

/** What is to be done for a declared user. */
export interface UserWork extends UserComparison {
  readonly declared: DeclaredUser;
  /** Which directory its home is, as homeIdOf. */
  readonly homeId?: ByteString | undefined;
  /** The uid of the account. */
  readonly uid?: number | undefined;
  /** The words of `allow` whose programs the jail will lack, if it is to be filled first. */
  readonly lacks?: ReturnType<typeof lackingWords>;
  /** Its shell would go with what is not declared any more. */
  readonly losesShell?: boolean;
  /** With --check: a run tries the changes, and fails with the fault. */
  readonly isTried?: boolean;
}

/** What is to be done in a jail, and for the declared users of it. */
export interface JailWork {
  readonly path: ByteString;
  /** Undefined for a jail that only users name. */
  readonly declared: DeclaredJail | undefined;
  /** Which directory it is, as jailIdOf. */
  readonly directoryId: ByteString | undefined;
  readonly changes: readonly Change[];
  readonly fault: Fault | undefined;
  /** As in JailComparison. */
  readonly taken: readonly ByteString[];
  readonly users: readonly UserWork[];
}

/**
 * A jail that cannot be as declared; those of its users who need anything, or whose own fault it is, wait for it. So do all if
 * it is closed: what they need is not known.
 */
export function withJailFault(work: JailWork, why: FaultText, isClosed = false): JailWork {
  const { path: jail, users } = work;
  const about = { of: "jail", name: jail, jail } as const;
  return {
    ...work,
    fault: { ...about, ...why },
    users: users.map((user): UserWork => {
      const { fault, changes, declared } = user;
      // By the other path, or by the name of before, the account is in this jail.
      const isTwins =
        ["another-jail", "in-another-jail", "moved"].includes(why.code) && fault?.code === "in-another-jail";
      const waits =
        fault === undefined ? isClosed || changes.length > 0 : isTwins || fault.cause?.jail === jail;
      if (!waits) return user;
      const of = { of: "user", name: declared.name, jail } as const;
      return { ...user, onlyTakes: true, fault: { ...of, ...waitsFor(jail, why) } };
    }),
  };
}

/**
 * How each change is made: as a whole, in part, or not at all. Where a jail cannot be used, what is declared not be kept, or a
 * user has a fault, only what takes something away is made.
 */
export function howMade({ fault, changes, users }: JailWork, unkept: FaultText | undefined) {
  const waits = (fault ?? unkept) !== undefined;
  const of = (some: readonly Change[], isWaiting: boolean) =>
    some.map((one): [Change, Change["takes"]] => [one, isWaiting ? one.takes : "all"]);
  const ofUsers = users.flatMap((user) => of(user.changes, waits || user.onlyTakes === true));
  return [...of(changes, waits), ...ofUsers];
}

/** All changes of a jail and its users. */
export const changesOf = ({ changes, users }: JailWork): Change[] => [
  ...changes,
  ...users.flatMap((user) => user.changes),
];
