import type { ByteString } from "../../../ffi/bytes.ts";
import { answered } from "../../cli/error.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import type { OnceUser } from "../once-shape.ts";

/** What is known of an account of /etc/passwd that is declared as one of a directory. */
interface Known {
  /** What was declared once. */
  readonly once: Pick<OnceUser, "directory" | "uid"> | undefined;
  /** The uid of its line in the jail. */
  readonly uidInJail: number | undefined;
  readonly userByUid: (uid: number) => Pick<PasswdEntry, "name"> | undefined;
}

/** An account of a directory that has the name of one of /etc/passwd, which hides it. */
interface Hidden {
  readonly uid: number;
  /** The directory has it still. */
  readonly isThere: boolean;
}

/**
 * The account of a directory that one of /etc/passwd hides, which a name service finds by its uid alone; undefined for none, or if its
 * uid is not known.
 */
export function hiddenBy(
  { name, uid }: Pick<PasswdEntry, "name" | "uid">,
  { once, uidInJail, userByUid }: Known,
): Hidden | undefined {
  const before = once?.directory === true ? once.uid : undefined;
  const others = [before, uidInJail].flatMap((one) => (one === undefined || one === uid ? [] : one));
  const found = others.find((one) => answered(() => userByUid(one)?.name) === name);
  if (found !== undefined) return { uid: found, isThere: true };
  return before === undefined || before === uid ? undefined : { uid: before, isThere: false };
}

/** Why an account of /etc/passwd is not the one that is declared, as the end of a sentence, with `line`, which declares it. Printable. */
export function localText(
  { uid }: Pick<PasswdEntry, "uid">,
  hidden: Hidden | undefined,
  line: ByteString,
): string {
  const out = "if the one of a directory is meant, take its line out of /etc/passwd with vipw(8)";
  if (hidden === undefined) return `is in /etc/passwd, which counts before a directory: ${line}; or, ${out}`;
  const too = `and ${hidden.isThere ? "" : "was "}in a directory, with the uid ${hidden.uid}`;
  return `is in /etc/passwd, with the uid ${uid}, ${too}; that of /etc/passwd counts: ${out}; if that of /etc/passwd is, ${line}`;
}
