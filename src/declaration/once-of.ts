import { isLimitedShell } from "../users/access.ts";
import type { DeclaredUser } from "./model.ts";
import { createdOf, leftJails, policiesIn, sumOf, union } from "./once.ts";
import type { OnceUser } from "./once-shape.ts";

/** What is as it was stays the same object, which writeOnce need not write down. */
export const sameOr = <T>(before: T | undefined, now: T): T =>
  before !== undefined && Bun.deepEquals(before, now) ? before : now;

/** A user who is declared. `once`: as it was before. */
export function onceOf(user: DeclaredUser, once: OnceUser | undefined): OnceUser {
  const { name, place, jail, directory, groups, keys = [], policy, shell } = user;
  const isSame = once?.jail === jail;
  const limited = policy === undefined && isSame ? once.limited : isLimitedShell(shell);
  const before = once === undefined ? [] : policiesIn(jail, once);
  const now = {
    ...{ name, file: place.file, jail, directory },
    // One of a directory is another account, whatever its uid.
    ...createdOf(directory ? undefined : once),
    out: false,
    limited,
    policy: policy !== undefined || before.includes(limited),
    otherPolicy: before.includes(!limited),
    groups: union(once?.groups, groups),
    keys: union(
      once?.keys,
      keys.map(({ key }) => sumOf(key)),
    ),
    left: once === undefined ? [] : leftJails(jail, once),
  };
  return sameOr(once, now);
}
