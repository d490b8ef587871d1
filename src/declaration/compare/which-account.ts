import type { ByteString } from "../../../ffi/bytes.ts";
import { answered } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { jailOfHome } from "../../system/separator.ts";
import { leaveCommand, shellsOutside } from "../../users/leaving.ts";
import { type Fault, type FaultText, stays } from "../change.ts";
import { isOfDay, isOfOtherDay } from "../creating.ts";
import { hasHome, homeIdOf, MAY_BE_OTHER, samenessOf } from "../ids.ts";
import type { OnceUser } from "../once-shape.ts";

// Who may write above the own home can put another one in its place, and would so keep the account. Only root changes passwd(5)
// and the day in shadow(5). But root also sets passwords, and brings homes back from backups.

/** Whether an account in a jail is the one that was declared. Of a "doubtful" one, nothing that only root can change says so. */
export type Which = "declared" | "other" | "doubtful";

/** True for an account that may be the one which was declared, by its uid. */
export const isSame = ({ created }: OnceUser, { uid }: PasswdEntry): boolean =>
  created === undefined || created === uid;

/** Whether root may have given another uid to the account that apply created, and no run has found it declared since. */
function isOfOtherUid({ createdDay, createdHome, homeId }: OnceUser, account: PasswdEntry): boolean {
  return hasHome(account, homeId) || (createdHome === account.home && isOfDay(account.name, createdDay));
}

/** True for an account in a jail that may be the one which was declared. */
export const mayBeIt = (once: OnceUser, user: PasswdEntry): boolean => whichAccount(once, user) !== "other";

/** The same of one that apply did not create. Only root changes a uid: with another one it is the same by its home alone. */
function whichOfBefore({ homeId, uid }: OnceUser, user: PasswdEntry, home: ByteString | undefined): Which {
  const sameness = samenessOf(homeId, home);
  if (uid === undefined || uid === user.uid) return sameness === "same" ? "declared" : "doubtful";
  if (homeId !== undefined && homeId === home) return "declared";
  return sameness === "other" ? "other" : "doubtful";
}

/** Which account one in a jail is that has the name of one that was declared. */
export function whichAccount(once: OnceUser, user: PasswdEntry): Which {
  const { directory, created, createdDay, createdHome, homeId } = once;
  if (directory) return "declared";
  // The tool that has created it has said so.
  const isMade = created === undefined && homeId === MAY_BE_OTHER;
  if (isMade) return "other";
  if (!isSame(once, user)) return isOfOtherUid(once, user) ? "doubtful" : "other";
  const home = homeIdOf(user.home, user.uid);
  if (created === undefined) return whichOfBefore(once, user, home);
  if (homeId !== undefined && home === homeId) return "declared";
  const isOther = isOfOtherDay(user.name, createdDay);
  if (createdHome === undefined || createdHome === user.home) {
    // Where nothing says which directory the home was, the path and the uid count.
    const isAlike = isOfDay(user.name, createdDay) || (homeId === undefined && !isOther);
    return isAlike ? "declared" : "doubtful";
  }
  // It has got another home since: the one of before was in another jail, or is there still.
  const isElsewhere = jailOfHome(createdHome) !== jailOfHome(user.home);
  const isThere = isElsewhere || homeIdOf(createdHome, user.uid) === homeId;
  return isThere && !isOther ? "declared" : "doubtful";
}

/** What is said of another account than was declared, which stays. */
export function otherAccount({ name }: Pick<OnceUser, "name">): Pick<Fault, "of" | "name" | "message"> {
  const message = `the account stays, as it may be another one than was declared; userdel ${operands(name)} removes it`;
  return { of: "user", name, message };
}

/** Why a doubtful account stays, each time, until root has said which one it is. */
export function doubtFault(once: OnceUser, account: PasswdEntry): FaultText {
  const { jail, created, createdDay } = once;
  // One that was there before apply goes out, as --prune would take it out. A program would take what is in doubt for certain.
  const command: Remedy =
    created === undefined
      ? leaveCommand([account], answered(() => shellsOutside(jail)) ?? (() => undefined), { move: true })
      : `userdel ${operands(account.name)}`;
  const isOnlyHome = created === undefined || isOfDay(account.name, createdDay);
  const byHome = isOnlyHome ? "by its home" : "by its home and its day in shadow(5)";
  const by = isSame(once, account) ? byHome : "by its uid";
  const message = `it may be another account than was declared, ${by}: if it is another one, declare it; if it is the one that was declared: ${command}`;
  return stays({ code: "doubtful-account", message });
}
