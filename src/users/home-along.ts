import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { openAt, type Stat, statIfPresent } from "../../ffi/files.ts";
import { baseName, directoryOf, normalPath } from "../../ffi/paths.ts";
import { quoted, shortPath } from "../cli/display.ts";
import { answered, JailkitError } from "../cli/error.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { leadsTo, type Way } from "../jail/fs/leads-to.ts";
import { lookUp, withTree } from "../jail/fs/look.ts";
import { hostPath, isDirectory, isLink, type JailRoot, joinPath } from "../jail/fs/walk.ts";
import { RootView } from "../libraries/root-view.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { onlyRootExchanges, onlyRootWrites } from "../system/exchange.ts";
import { localUsers } from "../system/flat-accounts.ts";
import { versionsOf } from "../system/host-files.ts";
import { firstUserId } from "../system/login-defs.ts";
import { below } from "../system/mountinfo.ts";
import { hostUser, userServices } from "../system/name-services.ts";
import { type EachName, isTooLarge, ownersBelow, WHOLE } from "./home-owners.ts";

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

/** Through all links, for a path that is missing. */
const ANY: Way = { realOf: (path) => remembered(path, realPath), mayFollow: () => true };

/** The same for a home that is there, most of which are directories in the same one. */
function realHome(home: ByteString): ByteString | undefined {
  const path = normalPath(home);
  const stat = attempt(() => ({ found: statIfPresent(C.AT_FDCWD, path) }));
  if (stat === undefined) return path;
  if (stat.found === undefined) return undefined;
  if (isLink(stat.found)) return realPath(path);
  const above = remembered(directoryOf(path), realPath);
  return above && joinPath(above, baseName(path));
}

/** An account, and the place of its home: the path without symbolic links, also while nothing is there. */
interface Housed extends Pick<PasswdEntry, "name" | "uid" | "home"> {
  readonly place: ByteString;
}

const placeOf = (home: ByteString): ByteString =>
  remembered(home, realHome) ?? leadsTo(normalPath(home), ANY);

interface Local {
  readonly version: string;
  readonly accounts: readonly Housed[];
  readonly uids: ReadonlySet<number>;
  /** By the place of the home, and each directory above it: made at the second question, since many are the only one. */
  byPlace?: ReadonlyMap<ByteString, readonly Housed[]>;
}

let local: Local | undefined;

/** The accounts of /etc/passwd whose homes may be at or below a directory; they are read again when the file has changed. */
function localAccounts(path: ByteString): readonly Housed[] {
  const version = versionsOf(["/etc/passwd"]);
  if (local?.version === version) {
    local.byPlace ??= byPlace(local.accounts);
    return local.byPlace.get(path) ?? [];
  }
  const users = localUsers();
  const accounts = users.map(({ name, uid, home }) => ({ name, uid, home, place: placeOf(home) }));
  const uids = new Set(users.map(({ uid }) => uid));
  // An account may have left its jail, and another one may have its uid.
  for (const uid of owners.keys()) if (uids.has(uid) || isLocalUid(uid)) owners.delete(uid);
  local = { version, accounts, uids };
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

/** The accounts of the owners of directories. Those of a name service are asked once: that may take a while for each. */
const owners = new Map<number, PasswdEntry | undefined>();

const isLocalUid = (uid: number): boolean => local?.uids.has(uid) === true;

/** The home of another account as it names it; `rest`: its path below the one that goes, empty if it is the same. */
interface OtherHome {
  readonly name: ByteString;
  readonly home: ByteString;
  readonly rest: ByteString;
  /** A directory of the account in the one that goes, if its home is another one. */
  readonly directory?: ByteString;
}

const NOBODY: ReadonlySet<ByteString> = new Set();

/**
 * True if a home may be elsewhere than its account has it: there is no directory of the account, or a link leads there that
 * others than root can have made. That nobody can move it now proves nothing, since root may have closed a directory above
 * meanwhile. It is enough only where homes are missing or root's on any machine: if it is a directory of root, that of a system
 * account, or directly below /.
 */
function isAway(home: ByteString, uid: number, tree?: JailRoot): boolean {
  const look = (host: JailRoot) => lookUp(host, normalPath(home), { follow: true });
  const found = answered(() => ({ there: tree === undefined ? withTree(look) : look(tree) }));
  if (found === undefined) return true;
  const { stat, canonicalPath: place } = found.there ?? { canonicalPath: placeOf(home) };
  const owner = stat !== undefined && isDirectory(stat) ? stat.uid : undefined;
  if (owner === uid) return false;
  const isUsual = owner === 0 || uid < firstUserId() || directoryOf(place) === "/";
  return !(isUsual && onlyRootExchanges(place));
}

/** The account of another owner of a directory in a home; undefined for root, for nobody, and for accounts `except`. */
function otherOwner(user: Mover, uid: number, except = NOBODY): PasswdEntry | undefined {
  if (uid === 0 || uid === user.uid) return undefined;
  const owner = owners.getOrInsertComputed(uid, hostUser);
  return owner === undefined || owner.name === user.name || except.has(owner.name) ? undefined : owner;
}

/**
 * The account whose directory in a home does not go with it, if there is something in it: the user of the home could not have
 * deleted that, but may have moved it there. Of root, what only root writes was put there by root. Throws JailkitError
 * "name-service".
 */
export function ownerOfOthers(user: Mover, stat: Pick<Stat, "uid" | "mode">): PasswdEntry | undefined {
  if (stat.uid === 0) return onlyRootWrites(stat) ? undefined : hostUser(0);
  return otherOwner(user, stat.uid);
}

/**
 * The first such directory in a home at a path of the host, which `open` opens, of an account that `counts`. `each`: as in
 * ownersBelow. Throws JailkitError "name-service", "home-too-large".
 */
export function othersDirectoryIn(
  user: Mover,
  path: ByteString,
  counts: (owner: PasswdEntry) => boolean,
  open?: () => number,
  most?: typeof WHOLE,
  each?: EachName,
): { readonly name: ByteString; readonly directory: ByteString } | undefined {
  const ownerOf = (stat: Stat) => {
    const owner = ownerOfOthers(user, stat);
    return owner !== undefined && counts(owner) ? owner : undefined;
  };
  const isNone = (_: number, stat: Stat, isEmpty: boolean) => isEmpty || ownerOf(stat) === undefined;
  for (const found of ownersBelow(path, isNone, most, open, each)) {
    const name = hostUser(found.uid)?.name ?? `${found.uid}`;
    return { name, directory: joinPath(normalPath(path), found.path) };
  }
  return undefined;
}

const opened = (fd: number): number => openAt(fd, ".", C.O_RDONLY | C.O_DIRECTORY);

const mostOf = (whole: boolean) => (whole ? WHOLE : undefined);

interface Neighbourhood {
  readonly left?: ReadonlySet<ByteString>;
  readonly fd?: number;
  readonly whole?: boolean;
}

/**
 * Throws JailkitError "holds-home" for a home in a jail that would leave it with such a directory of somebody who lives there,
 * and "home-too-large". `left`: who will have left before; `fd`: as in requireNoneInside; `whole`: as in requireNoneAlong.
 */
export function requireNoNeighbours(
  root: JailRoot,
  user: Mover,
  home: ByteString,
  { left = NOBODY, fd, whole = false }: Neighbourhood = {},
): void {
  const { users } = readJailAccounts(root);
  const isNeighbour = ({ name }: PasswdEntry) => !left.has(name) && users.some((one) => one.name === name);
  const open = fd === undefined ? undefined : () => opened(fd);
  const found = othersDirectoryIn(user, hostPath(root, home), isNeighbour, open, mostOf(whole));
  if (found === undefined) return;
  const why = `has the home ${quoted(hostPath(root, home))}, but ${holdsText(found)}: it would move along; move it out of the home first`;
  refuseAlong(user, why);
}

// Looked at once: thousands of accounts move in one run.
const seenAway = new Map<string, boolean>();
const wasAway: typeof isAway = (home, uid, tree) =>
  seenAway.getOrInsertComputed(`${uid} ${home}`, () => isAway(home, uid, tree));

/** True if the home of another local account may be anywhere. */
const isAnyAway = (user: Mover, except: ReadonlySet<ByteString>, is: typeof isAway): boolean =>
  withTree((tree) => {
    const isOthers = ({ name, uid, home }: Housed) =>
      name !== user.name && !except.has(name) && is(home, uid, tree);
    return local?.accounts.some(isOthers) !== false;
  });

/**
 * By the directories below `place`, which `open` opens, as it is now: the home of an account that is in another name service,
 * which may not list it, or that has been moved there. Throws JailkitError "name-service", "home-too-large".
 */
function otherByOwner(
  user: Mover,
  place: ByteString,
  except: ReadonlySet<ByteString>,
  open?: () => number,
  whole = false,
): OtherHome | undefined {
  const onlyFiles = userServices().every((service) => service === "files");
  const isNobodys = (uid: number) => onlyFiles && !isLocalUid(uid);
  // Most homes need not be searched, which takes a while for large ones.
  if (onlyFiles && open === undefined && !isAnyAway(user, except, wasAway)) return undefined;
  const skips = (uid: number) => uid === 0 || uid === user.uid || isNobodys(uid);
  try {
    for (const { uid, path } of ownersBelow(place, skips, mostOf(whole), open)) {
      const owner = otherOwner(user, uid, except);
      if (owner === undefined) continue;
      const { name, home } = owner;
      const there = placeOf(home);
      const rest = below(there, place);
      if (rest !== undefined) return { name, home, rest };
      if (isAway(home, uid)) return { name, home, rest: path, directory: joinPath(normalPath(place), path) };
    }
    return undefined;
  } catch (error) {
    if (onlyFiles && isTooLarge(error) && !isAnyAway(user, except, isAway)) return undefined;
    throw error;
  }
}

/**
 * The home of another account that is at or below a path of the host, by what that account says or by what is there. Throws
 * JailkitError if that cannot be known.
 */
export function otherHomeIn(
  user: Mover,
  path: ByteString,
  except = NOBODY,
  whole = false,
): OtherHome | undefined {
  const place = realHome(path);
  if (place === undefined) return undefined;
  for (const { name, home, place: there } of localAccounts(place)) {
    const rest = name === user.name || except.has(name) ? undefined : below(there, place);
    if (rest !== undefined) return { name, home, rest };
  }
  return otherByOwner(user, place, except, undefined, whole);
}

/**
 * Why the home of an account is not moved from a path of the host: the home of another account is in it or is the same, and
 * would move along, into a jail or out of one. A printable text after the name of the account; undefined if there is none.
 * Throws JailkitError if that cannot be known.
 */
export const homeAlong = (user: Mover, path: ByteString): string | undefined =>
  alongText(path, otherHomeIn(user, path));

function alongText(path: ByteString, found: OtherHome | undefined): string | undefined {
  if (found === undefined) return undefined;
  const [other, has] = [quoted(found.name), `has the home ${quoted(path)}`];
  if (found.directory !== undefined)
    return `${has}, which holds ${quoted(shortPath(found.directory))} of ${other}, whose home ${quoted(found.home)} is not there: it would move along; move it out of the home first`;
  return found.rest === ""
    ? `${has}, which is that of ${other}, too: it would move along; give ${other} another home first`
    : `${has}, which holds that of ${other}, ${quoted(found.home)}: it would move along; give ${other} another home first, outside of it`;
}

/** What of another account is in a home that is not deleted therefore, printable. */
export const holdsText = ({ name, directory }: Pick<OtherHome, "name" | "directory">): string =>
  directory === undefined
    ? `the home of ${quoted(name)} is in it`
    : `the directory ${quoted(shortPath(directory))} of ${quoted(name)} is in it`;

/** Throws JailkitError for a home with which that of another account would move: see homeAlong. `whole`: it is looked at in any size. */
export function requireNoneAlong(user: Mover, path: ByteString, whole = false): void {
  refuseAlong(user, alongText(path, otherHomeIn(user, path, NOBODY, whole)));
}

/** The same of an open directory, to which the home has come from its path, and where nobody exchanges anything any more. */
export function requireNoneInside(user: Mover, path: ByteString, fd: number, whole = false): void {
  const place = placeOf(path);
  // Those of now.
  localAccounts(place);
  refuseAlong(
    user,
    alongText(
      path,
      otherByOwner(user, place, NOBODY, () => opened(fd), whole),
    ),
  );
}

function refuseAlong({ name }: Mover, why: string | undefined): void {
  if (why !== undefined) throw new JailkitError(HOLDS_HOME, 1, `${quoted(name)} ${why}`);
}
