import type { Stat } from "../../ffi/files.ts";
import type { PasswdEntry } from "../system/accounts.ts";

// Apart from home-fault.ts, whose checks of a login a run that has nothing to do need not load.

/** True if jk_chrootsh may refuse a home because of its owner, group or mode; homeRefusal knows whether it does. */
export const isDoubtfulHome = (
  { uid, gid, mode }: Pick<Stat, "uid" | "gid" | "mode">,
  account: Pick<PasswdEntry, "uid" | "gid">,
): boolean => uid !== account.uid || gid !== account.gid || (mode & 0o022) !== 0 || (mode & 0o100) === 0;
