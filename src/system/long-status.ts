import type { ByteString } from "../../ffi/bytes.ts";
import { JailkitError } from "../cli/error.ts";
import { endSessions, uidText } from "./end-sessions.ts";
import { MOST_MILLISECONDS, SumsByUser } from "./sums-by-user.ts";

// Longer than with the 1,015 groups of ten digits that one has of a directory, and others from newgidmap(1): the kernel writes 65,536
// of them anew for each thread, which lasts milliseconds, and a user can have thousands of threads.
const LONG = 1 << 14;

/** How many milliseconds of this run the kernel has written such texts of users. */
const spent = new SumsByUser();
/** The user whose processes are about to end. */
let ending: string | undefined;

/**
 * A text of proc_pid_status(5), which was read in so many milliseconds, with its user ids. Throws JailkitError "failed", with what ends
 * them, if all those of a user have lasted too long: what else its processes have is not known then.
 */
export function counted(
  text: ByteString,
  milliseconds: number,
  idsIn: (text: ByteString) => readonly ByteString[],
): ByteString {
  if (text.length < LONG) return text;
  const ids = idsIn(text);
  const uids = new Set(ids);
  spent.add(uids, milliseconds);
  if (!isSpent(uids) || isEnding(uids)) return text;
  const uid = Number(ids.find((one) => one !== "0"));
  const remedy = endSessions(uid);
  const message = `processes of ${uidText(uid)} have so many groups that it lasts too long to look at all of them: end them, and run this again: ${remedy}`;
  throw new JailkitError("failed", 1, message, undefined, remedy);
}

const isSpent = (uids: ReadonlySet<ByteString>): boolean => spent.most(uids) > MOST_MILLISECONDS;
const isEnding = (uids: ReadonlySet<ByteString>): boolean => ending !== undefined && uids.has(ending);

/** Whether a process of whom has had more than its time, by such a text and its ids so far, is about to end: more of it need not be known. */
export const isEnough = (text: ByteString, uids: ReadonlySet<ByteString>): boolean =>
  text.length >= LONG && isEnding(uids) && isSpent(uids);

/** Does `work`, which ends the processes of a user, and so is not to be kept from that by what they are. */
export function whileEnding<T>(uid: number, work: () => T): T {
  const before = ending;
  ending = String(uid);
  try {
    return work();
  } finally {
    ending = before;
  }
}
