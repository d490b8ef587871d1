import { EPERM } from "./constants.ts";
import { SystemError } from "./error.ts";
import { guardFunction } from "./guard.ts";
import { i64_fast, linkSymbols, u64 } from "./native.ts";

const link = () =>
  linkSymbols({ keys: { ptr: guardFunction("keys"), args: [u64, u64], returns: i64_fast } }).symbols;
let linked: ReturnType<typeof link> | undefined;

/** By ffi/guard/keys.c, in a process of its own: looks at the keyrings of a user, or removes them. Returns whether keys went. */
function workOn(uid: number, removes: boolean): boolean {
  linked ??= link();
  const result = Number(linked.keys(uid, removes ? 1 : 0));
  if (result < 0) throw new SystemError(-result, "keyctl", undefined);
  return result === 1;
}

/**
 * Removes the keyrings that the kernel keeps for a user who has no process any more: user-keyring(7), user-session-keyring(7),
 * persistent-keyring(7). The kernel makes others for whoever gets the uid: these may be linked by somebody else, who could then read
 * and write them, or take no more keys. Returns whether keys were there; false where nobody may use keyctl(2). Needs root. Throws
 * SystemError where keysFault has one.
 */
export function clearKeys(uid: number): boolean {
  if (uid === 0) throw new SystemError(EPERM, "keyctl", undefined);
  return workOn(uid, true);
}

/**
 * Why root cannot remove all keyrings of a user: one is closed to everybody, was revoked or has expired, the user has no more quota for
 * others, or has keyrings in keyrings; or, with ECANCELED, a process with the uid keeps that from being known, or done. Undefined if
 * root can. Whoever has a link to one would have it as soon as the kernel shows it again, some minutes (gc_delay in keyrings(7)) or days
 * later, or when the machine starts anew. Needs root.
 */
export function keysFault(uid: number): SystemError | undefined {
  if (uid === 0) return undefined;
  try {
    workOn(uid, false);
    return undefined;
  } catch (error) {
    if (error instanceof SystemError) return error;
    throw error;
  }
}
