import type { ByteString } from "../../ffi/bytes.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { answered } from "../cli/error.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { openJailRoot } from "../jail/fs/walk.ts";
import { knownJails } from "../jail/record/registry.ts";
import { type PasswdEntry, passwdByName } from "../system/accounts.ts";
import { jailOfHome } from "../system/separator.ts";
import { recall } from "./account-record.ts";

/** True if an account outside is still recorded in a jail: a run was interrupted, or somebody edited the files. */
function isLeftIn(jail: ByteString, user: PasswdEntry): boolean {
  using root = openJailRoot(jail);
  const line = readJailAccounts(root).userByName(user.name);
  return recall(root, user.name) !== undefined && (line === undefined || line.uid === user.uid);
}

/** The first jail in which an account outside is still recorded, or that one if it is named. Throws JailkitError. */
export function jailOfLeftover(user: PasswdEntry, named: ByteString | undefined): ByteString | undefined {
  if (named !== undefined) return isLeftIn(named, user) ? named : undefined;
  const paths = knownJails().map(({ jail }) => jail.path);
  // A jail that is missing or damaged has no account to remove.
  return paths.sort().find((path) => answered(() => isLeftIn(path, user)) ?? false);
}

/** The jail of an account, or the first one in which it is still recorded. `given`: as it was written. */
export function jailToLeave(name: ByteString, given: ByteString | undefined): ByteString | undefined {
  const user = passwdByName(name);
  const jail = user && jailOfHome(user.home);
  if (user === undefined || jail !== undefined) return jail;
  return answered(() => jailOfLeftover(user, given && absolutePath(given)));
}
