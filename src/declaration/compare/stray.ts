import type { ByteString } from "../../../ffi/bytes.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { jailOfHome } from "../../system/separator.ts";
import { type StrayHome, strayFault, strayHome } from "../../users/stray-home.ts";
import type { FaultText } from "../change.ts";
import { hasHome } from "../ids.ts";
import type { DeclaredUser } from "../model.ts";
import type { OnceUser } from "../once-shape.ts";
import type { InJail } from "./in-jail.ts";
import type { UserState } from "./user-state.ts";

/**
 * As strayHome: the home may be meant where the account was declared last, or is now, and was the home if it was seen there. After a
 * backup of some of these files, one is as likely as the other.
 */
export function strayHomeOf(
  account: PasswdEntry,
  once: Pick<OnceUser, "jail" | "homeId"> | undefined,
  jail?: ByteString,
): StrayHome | undefined {
  return strayHome(account, (other) => {
    if (once?.jail === other.jail)
      return hasHome({ home: other.home, uid: account.uid }, once.homeId) ? "last" : "meant";
    return jail === other.jail ? "meant" : undefined;
  });
}

/** Why an account whose home is, or may be, in another jail gets nothing. `jail`: where it is declared. */
export function strayFaultOf(
  account: PasswdEntry,
  once: Pick<OnceUser, "jail" | "homeId"> | undefined,
  jail: ByteString,
): FaultText | undefined {
  const stray = strayHomeOf(account, once, jail);
  return stray && strayFault(account, stray);
}

/**
 * The same of a declared one. Asked only if something of it is not there, or if it was declared in another jail: most are where they
 * were, and records of all jails are read.
 */
export function strayFaultIn(
  { name, jail }: Pick<DeclaredUser, "name" | "jail">,
  account: PasswdEntry,
  { inside, once, home }: StrayFacts,
): FaultText | undefined {
  const there = jailOfHome(account.home);
  if (there === undefined || (there === jail && inside.root === undefined)) return undefined;
  const isWhole = home === "there" && inside.accounts?.userByName(name)?.uid === account.uid;
  const isWhere = there === jail && (once === undefined || once.jail === jail);
  return isWhole && isWhere ? undefined : strayFaultOf(account, once, jail);
}

interface StrayFacts {
  readonly inside: Pick<InJail, "root" | "accounts">;
  readonly once: OnceUser | undefined;
  readonly home?: UserState["home"] | undefined;
}
