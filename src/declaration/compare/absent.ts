import type { ByteString } from "../../../ffi/bytes.ts";
import { isMissing } from "../../../ffi/files.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { mountRemedy, unmountedReason } from "../../jail/fs/unmounted.ts";
import type { unmounted } from "../../jail/record/emptied.ts";
import { lostJail } from "../../jail/record/moved.ts";
import { followRemedy, lostRemedy } from "../../jail/record/named-jail.ts";
import { whereUsersAre } from "../../jails/users-moved.ts";
import type { FaultText } from "../change.ts";

interface AbsentFault {
  readonly code: "moved" | "not-mounted";
  readonly message: string;
  readonly remedy: Remedy;
}

/**
 * Why a jail that does not exist is not created, and the command that brings it back; undefined if it is. `places`: as in
 * whereMoved; `users`: as in whereUsersAre.
 */
export function absentFault(
  jail: ByteString,
  places: readonly ByteString[] = [],
  users?: Parameters<typeof whereUsersAre>[1],
): AbsentFault | undefined {
  const remedy = lostRemedy(jail, places) ?? followedBy(jail, whereUsersAre(jail, users));
  if (remedy === undefined) return undefined;
  // What is missing must not be created below a mount point, nor a jail that moved a second time.
  return mountRemedy(jail) === undefined
    ? { code: "moved", message: `it was moved: ${remedy}`, remedy }
    : { code: "not-mounted", message: unmountedReason(remedy), remedy };
}

/**
 * True if a jail was deleted: there is no directory, nor a record that says that it was moved, nor a file system that may have
 * it. `places`: as in whereMoved. Throws JailkitError or SystemError if the records cannot be read.
 */
export const isDeleted = (jail: ByteString, places: readonly ByteString[] = []): boolean =>
  isMissing(jail) && lostJail(jail) === undefined && absentFault(jail, places) === undefined;

const followedBy = (jail: ByteString, now: ByteString | undefined) =>
  now === undefined ? undefined : followRemedy(jail, now);

/** Why nothing is done in a jail that is elsewhere, as `unmounted` says. */
export const unmountedFault = (elsewhere: ReturnType<typeof unmounted>): FaultText | undefined =>
  elsewhere && { code: "not-mounted", ...elsewhere };
