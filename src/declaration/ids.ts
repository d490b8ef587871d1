import type { ByteString } from "../../ffi/bytes.ts";
import { usageAt } from "../../ffi/extents.ts";
import { normalPath } from "../../ffi/paths.ts";
import { answered } from "../cli/error.ts";
import { idOf, jailIdOf, MAY_BE_OTHER } from "../jail/fs/directory-id.ts";
import { atSpot, lookUp, withTree } from "../jail/fs/look.ts";
import { type JailRoot, openJailRoot } from "../jail/fs/walk.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { localUsers } from "../system/flat-accounts.ts";
import { splitHome } from "../system/separator.ts";
import { homeFor } from "../users/jail-side.ts";

export { idOf, jailIdAt, jailIdOf, MAY_BE_OTHER, openIdOf } from "../jail/fs/directory-id.ts";

// A path and a name tell nothing of what was there before: somebody may have deleted a jail or an account, and made another
// one. What is not known to be that which was declared stays.

/** Whether what is there is what was remembered, by what identifies both. While one is being made, nothing does. */
export function samenessOf(
  once: ByteString | undefined,
  now: ByteString | undefined,
): "same" | "unknown" | "other" {
  if (once === MAY_BE_OTHER) return "unknown";
  return once === undefined || now === undefined || once === now ? "same" : "other";
}

/**
 * Identifies a directory that is the home of a uid, under whatever name it is later: no other one of its file system has the
 * same number, and was created in the same moment. The number of the device is that of a machine which has not started again.
 * Undefined if it is not there, or that is not known.
 */
export const homeIdOf = (home: ByteString, uid: number): ByteString | undefined =>
  answered(() => {
    const split = splitHome(home);
    const jail = normalPath(split?.jail ?? "/");
    if (split === undefined || jail === "/") return undefined;
    using root = openJailRoot(jail);
    return homeIdIn(root, normalPath(split.home), uid);
  });

/** The same in an open jail, which sees the home as `path`. */
export const homeIdIn = (root: JailRoot, path: ByteString, uid: number): ByteString | undefined =>
  answered(() => {
    if (path === "/") return undefined;
    const found = atSpot(root, path, ({ parent, name }) => usageAt(parent.fd, name));
    return found?.uid === uid ? idOf(found) : undefined;
  });

/** The same of the home that an account has in a jail, whatever its directory says. */
export const homeIdInJail = (jail: ByteString, account: PasswdEntry): ByteString | undefined =>
  answered(() => {
    using root = openJailRoot(jail);
    return homeIdIn(root, homeFor(account, jail), account.uid);
  });

/** The same of a home that is in no jail. */
const homeIdOutside = (home: ByteString, uid: number): ByteString | undefined =>
  answered(() =>
    withTree((tree) => {
      const path = lookUp(tree, normalPath(home), { follow: true })?.canonicalPath;
      return path === undefined ? undefined : homeIdIn(tree, path, uid);
    }),
  );

/** The same of the home of an account, in a jail or in none. */
export const homeIdAnywhere = ({ home, uid }: Pick<PasswdEntry, "home" | "uid">): ByteString | undefined =>
  (splitHome(home) === undefined ? homeIdOutside : homeIdOf)(home, uid);

/** True for an account with the home that was remembered, wherever that is by now. */
export const hasHome = (
  account: Pick<PasswdEntry, "home" | "uid">,
  homeId: ByteString | undefined,
): boolean => homeId !== undefined && homeIdAnywhere(account) === homeId;

/** The accounts of this machine by what identifies their homes: for who has another uid, too. It looks at all homes. */
export const homeOwners = (): ReadonlyMap<ByteString, PasswdEntry> =>
  new Map(
    localUsers().flatMap((user) => {
      const id = homeIdAnywhere(user);
      return id === undefined ? [] : [[id, user] as const];
    }),
  );

/** Identifies any directory in an open jail in the same way. */
export const directoryIdIn = (root: JailRoot, path: ByteString): ByteString | undefined =>
  path === "/"
    ? jailIdOf(root)
    : answered(() => idOf(atSpot(root, path, ({ parent, name }) => usageAt(parent.fd, name))));
