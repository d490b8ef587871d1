import {
  EPERM,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_RAISE,
  PR_CAPBSET_DROP,
  PR_CAPBSET_READ,
  PR_SET_KEEPCAPS,
} from "./constants.ts";
import { SystemError } from "./error.ts";
import { check, libc } from "./libc.ts";
import { ambientCapabilities, type Capabilities, capabilities, capset } from "./process.ts";

const HIGHEST = 63;

const has = (set: bigint, capability: number) => ((set >> BigInt(capability)) & 1n) === 1n;
const low = (set: bigint) => Number(set & 0xffffffffn);
const high = (set: bigint) => Number(set >> 32n);

/** capset(2) of this thread, checked. Throws `SystemError`. */
export function setCapabilities({ effective, permitted, inheritable }: Capabilities): void {
  capset(
    Uint32Array.of(
      ...[low(effective), low(permitted), low(inheritable)],
      ...[high(effective), high(permitted), high(inheritable)],
    ),
  );
  const now = capabilities();
  if (now.effective !== effective || now.permitted !== permitted || now.inheritable !== inheritable)
    throw new SystemError(EPERM, "capset", undefined);
}

/** The bounding set of this thread: the most that an exec may give. */
function boundingCapabilities(): bigint {
  let found = 0n;
  for (let capability = 0; capability <= HIGHEST; capability++) {
    const result = libc.prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    // EINVAL: the first number without a capability.
    if (result < 0) break;
    if (result === 1) found |= 1n << BigInt(capability);
  }
  return found;
}

/** Drops all but `kept` from the bounding set, for good. Needs CAP_SETPCAP. Throws `SystemError`. */
export function limitBoundingSet(kept: bigint): void {
  const present = boundingCapabilities();
  for (let capability = 0; capability <= HIGHEST; capability++) {
    if (!has(present, capability) || has(kept, capability)) continue;
    check(libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0), "prctl(PR_CAPBSET_DROP)");
  }
  if ((boundingCapabilities() & ~kept) !== 0n)
    throw new SystemError(EPERM, "prctl(PR_CAPBSET_DROP)", undefined);
}

/** PR_SET_KEEPCAPS: whether the permitted set outlives the change of all user ids from 0. */
export function keepOverSetuid(keep: boolean): void {
  check(libc.prctl(PR_SET_KEEPCAPS, keep ? 1 : 0, 0, 0, 0), "prctl(PR_SET_KEEPCAPS)");
}

/** Adds `set` to the ambient set, which an exec passes on. It must be permitted and inheritable. Checked. */
export function raiseAmbient(set: bigint): void {
  for (let capability = 0; capability <= HIGHEST; capability++) {
    if (!has(set, capability)) continue;
    check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0), "prctl(PR_CAP_AMBIENT_RAISE)");
  }
  if ((ambientCapabilities() & set) !== set)
    throw new SystemError(EPERM, "prctl(PR_CAP_AMBIENT_RAISE)", undefined);
}
