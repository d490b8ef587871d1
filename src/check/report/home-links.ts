import type { ByteString } from "../../../ffi/bytes.ts";
import { type Advice, inWords } from "../../cli/remedy.ts";
import { memoized } from "../../enter/gather.ts";
import type { JailedUser } from "../../jail/accounts/jailed-users.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { homeFor } from "../../users/jail-side.ts";
import { linksOnWays, oneHomeAdvice } from "../../users/one-home.ts";

/** What is advised about a symbolic link through which users come to their homes: "stay", if nothing is wrong with it. */
export type HomeLink = "stay" | Advice;

/** A function that tells it of a link of a jail; undefined for any other link. Without its link, nobody could log in. */
export function homeLinks(root: JailRoot, users: readonly JailedUser[]) {
  const homes = memoized(() => users.map((user) => homeFor(user, root.path)));
  const links = memoized(() => linksOnWays(root, homes()));
  return (path: ByteString): HomeLink | undefined =>
    links().has(path) ? (oneHomeAdvice(root, path, homes()) ?? "stay") : undefined;
}

/** What is advised if the link should stay, and no line of jk_check.ini can say so. */
export const LEAVE_IT = inWords("leave it: users have their homes behind it");
