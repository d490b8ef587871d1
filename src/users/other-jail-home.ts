import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { sameFile, statIfPresent } from "../../ffi/files.ts";
import { normalPath } from "../../ffi/paths.ts";
import { answered } from "../cli/error.ts";
import { PASSWD, readJailAccounts } from "../jail/accounts/accounts.ts";
import { lookUp } from "../jail/fs/look.ts";
import { hostPath, isDirectory, type JailRoot, openJailRoot } from "../jail/fs/walk.ts";
import { knownJails } from "../jail/record/registry.ts";
import { isLocalUser } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { onlyRootExchanges, onlyRootWrites } from "../system/exchange.ts";
import { joinHome } from "../system/separator.ts";
import { ownLine } from "./jail-side.ts";

// An older passwd(5) that comes back names the jail in which an account was before, and perhaps nothing is there any more. Root alone writes
// the lines of a jail: one with a home that belongs to the account tells where it has lived since.

/** A home of an account in another jail than its own, or in another place there. */
export interface OtherJailHome {
  readonly jail: ByteString;
  /** As passwd(5) would have it. */
  readonly home: ByteString;
  /** On the host. */
  readonly path: ByteString;
  /** The name of the line that has it; undefined if only its owner tells. */
  readonly line: ByteString | undefined;
}

type User = Pick<PasswdEntry, "name" | "uid">;

let jailsByUid: ReadonlyMap<number, readonly ByteString[]> | undefined;

/** The known jails with a line of a uid. They are read once: a run asks for each new home, and looks again at those that it finds. */
function jailsWith(uid: number): readonly ByteString[] {
  jailsByUid ??= byUid((answered(knownJails) ?? []).map(({ jail }) => jail.path));
  return jailsByUid.get(uid) ?? [];
}

function byUid(jails: readonly ByteString[]): ReadonlyMap<number, readonly ByteString[]> {
  const found = new Map<number, ByteString[]>();
  for (const jail of jails)
    for (const uid of answered(() => uidsIn(jail)) ?? []) found.getOrInsertComputed(uid, () => []).push(jail);
  return found;
}

function uidsIn(jail: ByteString): ReadonlySet<number> {
  using root = openJailRoot(jail);
  return new Set(readJailAccounts(root).users.map(({ uid }) => uid));
}

/** The homes that belong to an account and that its lines in known jails have, but for the jail `root`, and what is the same as in that. */
export function homesInOthers(user: User, root: JailRoot, home: ByteString): readonly OtherJailHome[] {
  // The others are where their directory says.
  if (user.uid === 0 || !isLocalUser(user.name)) return [];
  const own = answered(() => lookUp(root, home)?.stat);
  return jailsWith(user.uid).flatMap((jail) => {
    const found = jail === root.path ? undefined : answered(() => homeIn(user, jail));
    if (found === undefined || (own !== undefined && sameFile(own, found.stat))) return [];
    return [found.there];
  });
}

/** The home of the line of an account in a jail, if it belongs to it. */
export function homeIn(user: User, jail: ByteString) {
  const passwd = statIfPresent(AT_FDCWD, jail + PASSWD);
  if (passwd === undefined || !onlyRootWrites(passwd) || !onlyRootExchanges(jail + PASSWD)) return undefined;
  using root = openJailRoot(jail);
  const line = ownLine(readJailAccounts(root), user);
  if (line?.uid !== user.uid) return undefined;
  const home = normalPath(line.home);
  const path = hostPath(root, home);
  const stat = home === "/" ? undefined : lookUp(root, home)?.stat;
  if (stat === undefined || !isDirectory(stat) || stat.uid !== user.uid || !onlyRootExchanges(path))
    return undefined;
  return { there: { jail, home: joinHome(jail, home), path, line: line.name }, stat };
}
