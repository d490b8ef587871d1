import type { ByteString } from "../../../ffi/bytes.ts";
import { answered } from "../../cli/error.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import { openJailRoot } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import type { HostAccounts } from "../../system/host-accounts.ts";
import { livesIn } from "../../system/separator.ts";
import { MAY_BE_OTHER } from "../ids.ts";
import { createdOf, gone } from "../once.ts";
import { type OnceUser, uidOf } from "../once-shape.ts";

/** What is left of the name that an account had: its line and its rights. */
export function formerName(once: OnceUser, account: PasswdEntry): OnceUser {
  // No directory takes the name out of groups. Of one that is in no jail, the line tells where its keys are.
  if (once.directory) return isHere(once, account) ? gone(once) : once;
  return {
    ...{ ...once, ...createdOf(undefined), homeId: MAY_BE_OTHER, groups: [], groupIds: [], keys: [] },
    // Another account may have the name by now.
    uid: once.uid,
  };
}

/** Whether an account of a directory is in the jail by the name that it has now: the directory says so, or a line there. */
export const isHere = ({ jail }: Pick<OnceUser, "jail">, { name, uid, home }: PasswdEntry): boolean =>
  livesIn(jail, home) || hasLine(jail, { name, uid });

/** Whether a jail has a line of an account. */
export const hasLine = (jail: ByteString, { name, uid }: Pick<PasswdEntry, "name" | "uid">): boolean =>
  answered(() => {
    using root = openJailRoot(jail);
    return readJailAccounts(root).userByName(name)?.uid === uid;
  }) === true;

/**
 * The account that has the uid of a user, and perhaps another home; of one of a directory, if it is in the jail. Undefined also
 * while a name service is silent, or knows the user still.
 */
export function heirOf(
  once: OnceUser,
  { userByName, userByUid }: Pick<HostAccounts, "userByName" | "userByUid">,
): PasswdEntry | undefined {
  const { name, directory } = once;
  const uid = uidOf(once);
  if (uid === undefined) return undefined;
  return answered(() => {
    const heir = userByName(name) === undefined ? userByUid(uid) : undefined;
    return heir === undefined || (directory && !isHere(once, heir)) ? undefined : heir;
  });
}
