import { normalPath } from "../../../ffi/paths.ts";
import { answered } from "../../cli/error.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { isDirectory, type JailRoot } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { nextIds, noUid, type ReservedUids, spareUid } from "../../system/login-defs.ts";
import { joinHome } from "../../system/separator.ts";
import { CHROOT_SHELL } from "../../users/plan.ts";
import type { DeclaredUser } from "../model.ts";
import type { Once, OnceUser } from "../once-shape.ts";
import { DECLARED } from "./intent.ts";

type UserByUid = (uid: number) => PasswdEntry | undefined;

/**
 * The uid of an account that is to be created: the declared one, or that of the account which apply created before and
 * somebody has removed since, unless another one has it now.
 */
export function newUid(
  { uid, jail }: DeclaredUser,
  once: OnceUser | undefined,
  userByUid: UserByUid,
): number | undefined {
  if (uid !== undefined) return uid;
  const before = once?.jail === jail ? once.created : undefined;
  return before === undefined || userByUid(before) !== undefined ? undefined : before;
}

/** The uids that declared users have, or will have. `before`: what was declared once. */
export function reservedUids(users: readonly DeclaredUser[], { users: before }: Once): ReadonlySet<number> {
  const once = new Map(before.map((user) => [user.name, user]));
  const uids = users.map((user) => {
    const before = once.get(user.name);
    // A directory may not know the account for a while.
    return user.directory ? before?.uid : newUid(user, before, () => undefined);
  });
  return new Set(uids.filter((uid) => uid !== undefined));
}

/**
 * The uid for an account without one, if useradd(8) would give it that of another declared user, who may be created later, or
 * one of `others`; undefined if it would not. Throws JailkitError.
 */
export const uidInstead = (
  isUsed: (uid: number) => boolean,
  reserved: ReadonlySet<number>,
  others: ReservedUids,
): number | undefined =>
  spareUid(
    false,
    isUsed,
    {
      has: (id) => reserved.has(id) || others.has(id),
      letGo: (isWanted) => others.letGo((id) => isWanted(id) && !reserved.has(id)),
    },
    DECLARED.uid,
  );

/** The uids that accounts without one get, in a plan that creates none of them: each that is taken is nobody else's. */
export class NewUids {
  readonly #taken = new Set<number>();
  #ids: ReturnType<typeof nextIds> | undefined;
  #next: number | undefined;
  #failure: unknown;

  /** The others: as uidInstead. */
  constructor(
    private readonly userByUid: UserByUid,
    private readonly reserved: ReadonlySet<number>,
    private readonly others: ReservedUids,
  ) {}

  /** The uid of the next account. Throws JailkitError "no-id". */
  next = (): number => {
    if (this.#failure !== undefined) throw this.#failure;
    this.#ids ??= nextIds(
      "UID",
      false,
      (id) => this.reserved.has(id) || this.others.has(id) || this.#isUsed(id),
    );
    this.#next ??= this.#ids.next().value ?? this.#last();
    return this.#next;
  };

  /** Says that an account gets it. */
  take(): void {
    const uid = answered(this.next);
    if (uid !== undefined) this.#taken.add(uid);
    this.#next = undefined;
  }

  #isUsed = (id: number): boolean => this.#taken.has(id) || this.userByUid(id) !== undefined;

  /** One that nobody needs any more. */
  #last(): number {
    try {
      const uid = uidInstead(this.#isUsed, this.reserved, this.others);
      if (uid === undefined) throw noUid(DECLARED.uid);
      this.#ids = undefined;
      return uid;
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }
}

/** An account that is to be created and whose home is there still, with its keys. */
export function returning(
  declared: DeclaredUser,
  once: OnceUser | undefined,
  root: JailRoot | undefined,
  userByUid: UserByUid,
): PasswdEntry | undefined {
  const { name, jail, comment = "" } = declared;
  const uid = declared.directory || root === undefined ? undefined : newUid(declared, once, userByUid);
  if (root === undefined || uid === undefined) return undefined;
  const home = normalPath(declared.home);
  const stat = lookUp(root, home)?.stat;
  if (stat === undefined || stat.uid !== uid || !isDirectory(stat)) return undefined;
  const account = { name, password: "x", uid, gid: stat.gid, gecos: comment };
  return { ...account, home: joinHome(jail, home), shell: CHROOT_SHELL };
}
