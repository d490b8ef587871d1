import type { ByteString } from "../../../ffi/bytes.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { faultText } from "../change.ts";
import { markedAccount, newMark, unmark } from "../creating.ts";
import type { Memory } from "../memory.ts";
import type { Creating } from "../once-shape.ts";
import type { Shown } from "./report.ts";

/**
 * Creates an account, whose password field for useradd(8) `create` gets, and records it. Whatever ends this run in between,
 * the next one knows whether the account is apply's own.
 */
export function creating(
  one: Omit<Creating, "mark">,
  memory: Memory,
  create: (mark: ByteString) => PasswdEntry,
): PasswdEntry {
  const { name, createdHome } = one;
  const intent = { ...one, mark: newMark() };
  try {
    memory.intend(intent);
    const user = create(intent.mark);
    memory.created(name, user.uid, createdHome);
    unmark(intent);
    memory.settled(intent);
    return user;
  } catch (error) {
    // The next run ends what has begun.
    if (markedAccount(intent) === undefined) memory.settled(intent);
    throw error;
  }
}

/** Ends what a run that was killed has begun with accounts. */
export function endCreations(memory: Memory, fault: Shown["fault"]): void {
  for (const one of memory.creating()) {
    const { name } = one;
    try {
      unmark(one);
      memory.settled(one);
    } catch (error) {
      fault({ of: "user", name, jail: memory.before(name)?.jail ?? "", ...faultText(error) });
    }
  }
  memory.write();
}
