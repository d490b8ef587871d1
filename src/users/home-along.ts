import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { baseName, directoryOf, normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { isLink, joinPath } from "../jail/fs/walk.ts";
import { RootView } from "../libraries/root-view.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { ACCOUNT_FILE_LIMIT, usersIn } from "../system/flat-accounts.ts";
import { hostText, versionsOf } from "../system/host-files.ts";
import { below } from "../system/mountinfo.ts";
import { hostUser, userServices } from "../system/name-services.ts";
import { ownersBelow } from "./home-owners.ts";

type Mover = Pick<PasswdEntry, "name" | "uid">;

/** The code of a home that is not moved, because the home of another account would move along. */
export const HOLDS_HOME = "holds-home";

// A run on thousands of accounts asks for each about the homes of all others. What is missing may come meanwhile.
const real = new Map<ByteString, ByteString>();

/** What `find` returns for a path, which is asked once if it is there. */
function remembered(path: ByteString, find: (path: ByteString) => ByteString | undefined) {
  const before = real.get(path);
  if (before !== undefined) return before;
  const found = find(path);
  if (found !== undefined) real.set(path, found);
  return found;
}

/** A path of the host without symbolic links; as it is written, if it cannot be followed; undefined if it is missing. */
function realPath(path: ByteString): ByteString | undefined {
  using host = new RootView();
  return (attempt(() => ({ path: host.realPath(path) })) ?? { path }).path;
}

/** The same for a home, most of which are directories in the same one. */
function realHome(home: ByteString): ByteString | undefined {
  const path = normalPath(home);
  const stat = attempt(() => ({ found: statIfPresent(C.AT_FDCWD, path) }));
  if (stat === undefined) return path;
  if (stat.found === undefined) return undefined;
  if (isLink(stat.found)) return realPath(path);
  const above = remembered(directoryOf(path), realPath);
  return above && joinPath(above, baseName(path));
}

/** An account, and the place of its home: the path without symbolic links. */
interface Housed extends Pick<PasswdEntry, "name" | "home"> {
  readonly place: ByteString;
}

const housed = ({ name, home }: PasswdEntry, place = realHome(home)): Housed[] =>
  place === undefined ? [] : [{ name, home, place }];

interface Local {
  readonly version: string;
  readonly accounts: readonly Housed[];
  readonly uids: ReadonlySet<number>;
  /** By the place of the home, and each directory above it: made at the second question, since many are the only one. */
  byPlace?: ReadonlyMap<ByteString, readonly Housed[]>;
}

let local: Local | undefined;

/**
 * The accounts of /etc/passwd whose homes are there, and may be at or below a directory; they are read again when the file
 * has changed.
 */
function localAccounts(path: ByteString): readonly Housed[] {
  const version = versionsOf(["/etc/passwd"]);
  if (local?.version === version) {
    local.byPlace ??= byPlace(local.accounts);
    return local.byPlace.get(path) ?? [];
  }
  const users = usersIn(hostText("/etc/passwd", ACCOUNT_FILE_LIMIT) ?? "");
  const accounts = users.flatMap((user) => housed(user, remembered(user.home, realHome)));
  local = { version, accounts, uids: new Set(users.map(({ uid }) => uid)) };
  return local.accounts;
}

function byPlace(accounts: readonly Housed[]): ReadonlyMap<ByteString, readonly Housed[]> {
  const found = new Map<ByteString, Housed[]>();
  for (const account of accounts)
    for (let at = account.place; ; at = directoryOf(at)) {
      found.getOrInsertComputed(at, () => []).push(account);
      if (at === "/") break;
    }
  return found;
}

const isLocalUid = (uid: number): boolean => local?.uids.has(uid) === true;

/** The accounts of the owners of directories, asked once: a name service may take a while for each. */
const owners = new Map<number, PasswdEntry | undefined>();

/**
 * Accounts whose homes may be at or below a directory: those of /etc/passwd, and of other name services, which may not list
 * them, the owners of directories in it. Throws JailkitError "name-service", "home-too-large".
 */
function* candidates(path: ByteString, { uid }: Mover): Generator<Housed> {
  yield* localAccounts(path);
  if (userServices().every((service) => service === "files")) return;
  for (const owner of ownersBelow(path, (one) => one === 0 || one === uid || isLocalUid(one))) {
    const user = owners.getOrInsertComputed(owner, hostUser);
    if (user !== undefined) yield* housed(user);
  }
}

/** The home of an account as it names it; `rest`: its path below the other one, empty if it is the same. */
interface OtherHome {
  readonly name: ByteString;
  readonly home: ByteString;
  readonly rest: ByteString;
}

const NOBODY: ReadonlySet<ByteString> = new Set();

/**
 * The home of another account, besides those `except`, that is at or below a path of the host. Throws JailkitError if that
 * cannot be known.
 */
export function otherHomeIn(user: Mover, path: ByteString, except = NOBODY): OtherHome | undefined {
  const place = realHome(path);
  if (place === undefined) return undefined;
  for (const { name, home, place: there } of candidates(place, user)) {
    const rest = name === user.name || except.has(name) ? undefined : below(there, place);
    if (rest !== undefined) return { name, home, rest };
  }
  return undefined;
}

/**
 * Why the home of an account is not moved from a path of the host: the home of another account is in it or is the same, and
 * would move along, into a jail or out of one. A printable text after the name of the account; undefined if there is none.
 * Throws JailkitError if that cannot be known.
 */
export function homeAlong(user: Mover, path: ByteString): string | undefined {
  const found = otherHomeIn(user, path);
  if (found === undefined) return undefined;
  const [other, has] = [quoted(found.name), `has the home ${quoted(path)}`];
  return found.rest === ""
    ? `${has}, which is that of ${other}, too: it would move along; give ${other} another home first`
    : `${has}, which holds that of ${other}, ${quoted(found.home)}: it would move along; give ${other} another home first, outside of it`;
}

/** Throws JailkitError for a home with which that of another account would move: see homeAlong. */
export function requireNoneAlong(user: Mover, path: ByteString): void {
  const why = homeAlong(user, path);
  if (why !== undefined) throw new JailkitError(HOLDS_HOME, 1, `${quoted(user.name)} ${why}`);
}
