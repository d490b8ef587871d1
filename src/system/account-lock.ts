/** The descriptor of the lock of the accounts; undefined while it is not held. */
let held: number | undefined;

/** Does work with the lock of the accounts; undefined: who called has it already, or there is none. */
export function withKeptLock<T>(fd: number | undefined, work: () => T): T {
  const before = held;
  held = fd ?? before;
  try {
    return work();
  } finally {
    held = before;
  }
}

/** What a program that changes accounts keeps to its end, also if this process is killed before: nobody sees half of its work. */
export const keptLock = (): readonly number[] => (held === undefined ? [] : [held]);
