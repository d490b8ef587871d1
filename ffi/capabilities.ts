import { EPERM } from "./constants.ts";
import { SystemError } from "./error.ts";
import { addressOf, check, libc } from "./libc.ts";
import { ambientCapabilities, type Capabilities, capabilities } from "./process.ts";

// capset(2), prctl(2), capabilities(7)
const SYS_capset = process.arch === "arm64" ? 91 : 126;
const CAPABILITY_VERSION_3 = 0x20080522;
const PR_SET_KEEPCAPS = 8;
const PR_CAPBSET_READ = 23;
const PR_CAPBSET_DROP = 24;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_RAISE = 2;
const HIGHEST = 63;

const has = (set: bigint, capability: number) => ((set >> BigInt(capability)) & 1n) === 1n;
const low = (set: bigint) => Number(set & 0xffffffffn);
const high = (set: bigint) => Number(set >> 32n);

/** capset(2) of this thread, checked. Throws `SystemError`. */
export function setCapabilities({ effective, permitted, inheritable }: Capabilities): void {
  const header = Uint32Array.of(CAPABILITY_VERSION_3, 0);
  const data = Uint32Array.of(
    ...[low(effective), low(permitted), low(inheritable)],
    ...[high(effective), high(permitted), high(inheritable)],
  );
  check(libc.syscall(SYS_capset, addressOf(header), addressOf(data), 0, 0, 0, 0), "capset");
  const now = capabilities();
  if (now.effective !== effective || now.permitted !== permitted || now.inheritable !== inheritable)
    throw new SystemError(EPERM, "capset", undefined);
}

/** The bounding set of this thread: what an exec may give at most. */
export function boundingCapabilities(): bigint {
  let found = 0n;
  for (let capability = 0; capability <= HIGHEST; capability++) {
    const result = libc.prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    // EINVAL: the first number that the kernel has no capability for.
    if (result < 0) break;
    if (result === 1) found |= 1n << BigInt(capability);
  }
  return found;
}

/** Takes all but `kept` out of the bounding set, for good. Needs CAP_SETPCAP. Throws `SystemError`. */
export function limitBoundingSet(kept: bigint): void {
  const present = boundingCapabilities();
  for (let capability = 0; capability <= HIGHEST; capability++) {
    if (!has(present, capability) || has(kept, capability)) continue;
    check(libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0), "prctl(PR_CAPBSET_DROP)");
  }
  if ((boundingCapabilities() & ~kept) !== 0n)
    throw new SystemError(EPERM, "prctl(PR_CAPBSET_DROP)", undefined);
}

/** PR_SET_KEEPCAPS: whether the permitted set outlives the change of all user ids from 0 to others. */
export function keepOverSetuid(keep: boolean): void {
  check(libc.prctl(PR_SET_KEEPCAPS, keep ? 1 : 0, 0, 0, 0), "prctl(PR_SET_KEEPCAPS)");
}

/** Adds `set` to the ambient set, which an exec hands on; they must be permitted and inheritable. Checked. */
export function raiseAmbient(set: bigint): void {
  for (let capability = 0; capability <= HIGHEST; capability++) {
    if (!has(set, capability)) continue;
    check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0), "prctl(PR_CAP_AMBIENT_RAISE)");
  }
  if ((ambientCapabilities() & set) !== set)
    throw new SystemError(EPERM, "prctl(PR_CAP_AMBIENT_RAISE)", undefined);
}
