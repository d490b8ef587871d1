import { addressOf, syscall } from "./libc.ts";

const arm = process.arch === "arm64";
const SYS_sched_setaffinity = arm ? 122 : 203;
const SYS_sched_getaffinity = arm ? 123 : 204;
const MOST_PROCESSORS = 8192;

/**
 * Calls `act` while this thread has a processor, by its number, so that no other thread has it (sched_setaffinity(2)); where the
 * kernel does not allow that, anywhere.
 */
export function onProcessor<T>(processor: number, act: () => T): T {
  const before = new Uint8Array(MOST_PROCESSORS / 8);
  const size = syscall(SYS_sched_getaffinity, 0, before.length, addressOf(before));
  if (size <= 0 || !(processor < MOST_PROCESSORS)) return act();
  const one = new Uint8Array(before.length);
  one[processor >> 3] = 1 << (processor & 7);
  const isThere = syscall(SYS_sched_setaffinity, 0, one.length, addressOf(one)) === 0;
  try {
    return act();
  } finally {
    if (isThere) syscall(SYS_sched_setaffinity, 0, size, addressOf(before));
  }
}
