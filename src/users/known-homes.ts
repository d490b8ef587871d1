import type { ByteString } from "../../ffi/bytes.ts";
import { answered } from "../cli/error.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { lookUp } from "../jail/fs/look.ts";
import { hostPath, isDirectory, type JailRoot, openJailRoot } from "../jail/fs/walk.ts";
import { isLocalUser } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { onlyRootExchanges } from "../system/exchange.ts";
import { localUsers } from "../system/flat-accounts.ts";
import { isSameHome, joinHome } from "../system/separator.ts";
import { isNobodysHome } from "./home-beside.ts";
import { ownLine } from "./jail-side.ts";
import type { OtherJailHome } from "./other-jail-home.ts";

// An older passwd(5) may have come back with the older files of the jails: no line tells then where the home of an account is.

/** Where a declaration has, or had, the home of an account. */
export interface KnownPlace {
  readonly jail: ByteString;
  /** As the jail sees it, without detours. */
  readonly home: ByteString;
  /** It is so declared now. */
  readonly isDeclared: boolean;
  /** Whether a directory of the account there is certainly its home. */
  readonly isSure: () => boolean;
}

type User = Pick<PasswdEntry, "name" | "uid">;
type AskPlaces = (user: User) => readonly KnownPlace[];

let asked: AskPlaces = () => [];

/** From now on, these places count, too. A tool calls it: what is declared is not known here. */
export const countPlaces = (ask: AskPlaces): void => {
  asked = ask;
};

/** The homes that belong to an account, and to nobody else, where a declaration has, or had, them; but for `home` in the jail `root`. */
export function homesWhereKnown(user: User, root: JailRoot, home: ByteString): readonly OtherJailHome[] {
  if (user.uid === 0) return [];
  const isHere = (one: KnownPlace) => one.jail === root.path && one.home === home;
  const all = asked(user);
  const places = all.filter((one) => !isHere(one));
  // The others are where their directory says.
  if (places.length === 0 || !isLocalUser(user.name)) return [];
  // One that is to be here, and never was: somebody has taken out the line that told of its home of before.
  const isToBe = all.some((one) => isHere(one) && one.isDeclared);
  if (isToBe && ownLine(readJailAccounts(root), user)?.uid !== user.uid) return [];
  return places.flatMap((place) => answered(() => homeAt(user, place)) ?? []);
}

function homeAt({ name, uid }: User, { jail, home, isSure }: KnownPlace): OtherJailHome | undefined {
  using root = openJailRoot(jail);
  const path = hostPath(root, home);
  const stat = home === "/" ? undefined : lookUp(root, home)?.stat;
  if (stat === undefined || !isDirectory(stat) || stat.uid !== uid || !onlyRootExchanges(path))
    return undefined;
  const isTheirs = localUsers().some((one) => one.name !== name && isSameHome(one.home, jail, home));
  if (isTheirs || !isNobodysHome(root, path)) return undefined;
  return { jail, home: joinHome(jail, home), path, line: undefined, isSure: isSure() };
}
