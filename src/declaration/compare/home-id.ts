import type { JailRoot } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { livesIn } from "../../system/separator.ts";
import { homeFor } from "../../users/jail-side.ts";
import { homeIdIn } from "../ids.ts";
import type { DeclaredUser } from "../model.ts";
import type { OnceUser } from "../once-shape.ts";

/** Which directory the home of an account is, unless apply has created another one for it. */
export function homeIdOf(
  root: JailRoot,
  { directory }: DeclaredUser,
  account: PasswdEntry | undefined,
  once: OnceUser | undefined,
) {
  if (account === undefined || !(directory || livesIn(root.path, account.home))) return undefined;
  const isOwn =
    once?.createdHome === undefined || once.createdHome === account.home || once.created !== account.uid;
  return isOwn ? homeIdIn(root, homeFor(account, root.path), account.uid) : undefined;
}
