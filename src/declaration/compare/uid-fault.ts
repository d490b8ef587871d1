import { quoted } from "../../cli/display.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import type { DeclaredUser } from "../model.ts";
import { DECLARED } from "./intent.ts";

/** Why no account can be created with a uid. */
export function uidFault(uid: number, userByUid: (uid: number) => PasswdEntry | undefined) {
  const owner = userByUid(uid);
  if (owner === undefined) return undefined;
  const message = `${uidOfOther(uid, owner)}: ${DECLARED.uid}`;
  return { code: "uid-taken", message } as const;
}

/**
 * Why an account of a directory is not in a jail: with the uid of another account it is that one for the kernel, whose files
 * and processes are its own, also outside of the jail.
 */
export function sharedUidFault(
  { directory }: Pick<DeclaredUser, "directory">,
  { name, uid }: PasswdEntry,
  userByUid: (uid: number) => PasswdEntry | undefined,
) {
  // That of root has a message of its own.
  const owner = directory && uid !== 0 ? userByUid(uid) : undefined;
  if (owner === undefined || owner.name === name) return undefined;
  const message = `${uidOfOther(uid, owner)}: give the account another uid in its directory`;
  return { code: "uid-taken", message } as const;
}

const uidOfOther = (uid: number, { name }: PasswdEntry) => `the uid ${uid} belongs to ${quoted(name)}`;
