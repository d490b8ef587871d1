import type { ByteString } from "../../../ffi/bytes.ts";
import { lostRemedy } from "../../jail/record/named-jail.ts";
import { mountRemedy, unmountedReason } from "../../system/unmounted.ts";

interface AbsentFault {
  readonly code: "moved" | "not-mounted";
  readonly message: string;
  readonly remedy: string;
}

/**
 * Why a jail that does not exist is not created, and the command that brings it back; undefined if it is. `places`: as in
 * whereMoved.
 */
export function absentFault(jail: ByteString, places: readonly ByteString[] = []): AbsentFault | undefined {
  const remedy = lostRemedy(jail, places);
  if (remedy === undefined) return undefined;
  // What is missing must not be created below a mount point, nor a jail that moved a second time.
  return mountRemedy(jail) === undefined
    ? { code: "moved", message: `it was moved: ${remedy}`, remedy }
    : unmountedFault(remedy);
}

/** Why nothing is done in a jail whose file system is not mounted. */
export const unmountedFault = (remedy: ByteString): AbsentFault => ({
  ...{ code: "not-mounted", message: unmountedReason(remedy), remedy },
});
