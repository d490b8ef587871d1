import { normalPath } from "../../../ffi/paths.ts";
import { joinHome } from "../../jail/accounts/separator.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { isDirectory, type JailRoot } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { CHROOT_SHELL } from "../../users/plan.ts";
import type { DeclaredUser } from "../model.ts";
import type { OnceUser } from "../once.ts";

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
