import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import { answered, isReported, JailkitError } from "../cli/error.ts";
import { composed, typed, withAdvice } from "../cli/remedy.ts";
import { operands } from "../cli/shell-word.ts";
import { type LiveState, liveState } from "../jail/fs/live-mounts.ts";
import { namesIn } from "../jail/fs/names.ts";
import { searchOwned } from "../jail/fs/owned.ts";
import { hostPath, type JailRoot, joinPath, openTree } from "../jail/fs/walk.ts";
import { mountsOf } from "../jail/record/live.ts";
import { knownJails, openManifest } from "../jail/record/manifest.ts";
import { openNamedJail } from "../jail/record/named-jail.ts";
import { directoriesInFstab } from "../populate/apply/live-lines.ts";
import { fstabText } from "../populate/apply/proc.ts";
import { commandAt } from "../system/exchange.ts";
import { below, type Mount, ownMounts } from "../system/mountinfo.ts";
import { isKernelType, servedMounts, unmountForGood } from "../system/mounts.ts";
import { isNobodys } from "../system/name-services.ts";

// A file system that somebody has mounted in a jail is none of the jail's own things: on a disk there may be homes of customers,
// which nothing looks for when it is away, and a tmpfs is nowhere else. So it stays, and with it the jail.

/** A file system that is mounted in a jail, and not by jailkit. */
export interface OthersMount {
  /** As the jail sees it. */
  readonly path: ByteString;
  readonly place: ByteString;
  readonly type: ByteString;
  /** Its files are in memory, and this is its only mount outside of the jail: they are gone when it is unmounted. */
  readonly isOnlyHere: boolean;
}

// These have files in memory alone.
const IN_MEMORY = /^(?:tmpfs|ramfs)$/;
// Of the host's directory, in one way or another.
const OF_HOST: readonly LiveState[] = ["mounted", "open", "stale"];

/**
 * What is mounted in a jail, and is not the jail itself, nor what jailkit mounts: proc, and the directories of the host in its record,
 * or in its lines of fstab(5). What is mounted on another one counts, too. Throws SystemError, JailkitError "no-proc".
 */
export function othersMounts(root: JailRoot): readonly OthersMount[] {
  const all = ownMounts();
  const pathOf = ({ mountPoint }: Mount) => below(mountPoint, root.path);
  const here = all.filter((mount) => pathOf(mount) !== undefined);
  if (here.length === 0) return [];
  // What is in another jail is that one's, which goes before.
  const inner = knownJails().flatMap(({ jail }) => below(jail.path, root.path) || []);
  // A damaged record counts as empty.
  const content = answered(() => openManifest(root).content) ?? {};
  const shown = new Set([...mountsOf(content), ...directoriesInFstab(root.path)]);
  const outside = new Set(all.flatMap((mount) => (pathOf(mount) === undefined ? mount.device : [])));
  return [...Map.groupBy(here, (mount) => pathOf(mount) || "/")].flatMap(([path, mounts]) => {
    if (inner.some((jail) => below(path, jail) !== undefined)) return [];
    if (isOfJailkit(root, path, mounts, shown)) return [];
    return mounts.map(({ type, device }) => ({
      ...{ path, place: hostPath(root, path), type },
      isOnlyHere: IN_MEMORY.test(type) && !outside.has(device),
    }));
  });
}

function isOfJailkit(
  root: JailRoot,
  path: ByteString,
  mounts: readonly Mount[],
  shown: ReadonlySet<ByteString>,
): boolean {
  if (path === "/proc") return mounts.every(({ type }) => type === "proc");
  const [first] = mounts;
  // Below the last one may be another.
  if (mounts.some(({ device, root: top }) => device !== first?.device || top !== first.root)) return false;
  return path === "/" || (shown.has(path) && OF_HOST.includes(liveState(root, path)));
}

/** What of users is on a mount: a file, or that it is not known. */
interface OfUsers {
  readonly uid?: number;
  readonly place?: ByteString;
}

/**
 * What belongs to others than root on a mount that is not of a kind which the kernel makes up; undefined for nothing. `isWanted`:
 * whose files count, and which of these.
 */
function ofUsersOn(
  { place, type }: OthersMount,
  served: ReadonlySet<ByteString>,
  isWanted: (uid: number, at: () => ByteString) => boolean = () => true,
): OfUsers | undefined {
  if (isKernelType(type)) return undefined;
  if (served.has(place)) return {};
  let found: OfUsers | undefined;
  try {
    using tree = openTree(place);
    searchOwned(tree, {
      uids: { has: (uid) => uid !== 0 },
      // Who moves a file meanwhile hides no more than one that comes later.
      ...{ since: FOREVER, programs: true, stop: "nothing was removed; run this again" },
      found: ({ uid, path }) => {
        const at = () => hostPath(tree, path());
        if (!isWanted(uid, at)) return;
        found = { uid, place: at() };
        throw new Found();
      },
    });
  } catch (error) {
    if (error instanceof Found) return found;
    if (!isReported(error) || (error instanceof JailkitError && error.code === "interrupted")) throw error;
    // A file may be mounted there.
    if (error instanceof JailkitError && error.code === "not-a-directory") return undefined;
    return {};
  }
  return undefined;
}

const FOREVER = 1n << 100n;
class Found extends Error {}

/** Whether a mount has nothing but homes that `goes` tells. */
const isEmpty = ({ place }: OthersMount, goes: (at: ByteString) => boolean): boolean =>
  answered(() => {
    using tree = openTree(place);
    return namesIn(tree.top).every((name) => goes(hostPath(tree, joinPath("/", name))));
  }) ?? false;

/**
 * Throws JailkitError "mounts" for a jail in which something is mounted that is not jailkit's. The remedy unmounts it only if no file
 * of users is on it, and none that would be gone; else it forgets the jail. `first`: what is typed before that. `going`: homes that will
 * have gone before, as the jail sees them.
 */
export function requireNoOthersMounts(
  jail: ByteString,
  first: ByteString = "",
  going: readonly ByteString[] = [],
): void {
  using root = openNamedJail(jail);
  const mounts = othersMounts(root);
  const [any] = mounts;
  if (any === undefined) return;
  const served = answered(servedMounts) ?? new Set<ByteString>();
  const homes = going.map((home) => hostPath(root, home));
  const goes = (at: ByteString) => homes.some((home) => below(at, home) !== undefined);
  for (const mount of mounts) {
    const found = ofUsersOn(mount, served, (_, at) => !goes(at()));
    if (found !== undefined) throw keeps(jail, mount, ofUsersText(found), first);
    if (mount.isOnlyHere && !isEmpty(mount, goes))
      throw keeps(jail, mount, "with files that exist only there", first);
  }
  const places = [...new Set(mounts.map(({ place }) => place))];
  const others = places.length > 1 ? `, and at ${places.length - 1} more places in the jail` : "";
  const isBefore = homes.some((home) => mounts.some(({ place }) => below(home, place) !== undefined));
  const command = composed(`${isBefore ? first : ""}${unmountForGood(places, fstabText())}`);
  const advice = places.map((place) => commandAt(place, command)).find((one) => one !== command) ?? command;
  const message = `${mountedText(any)}${others}, and has to be unmounted first`;
  throw new JailkitError("mounts", 1, withAdvice(message, advice), undefined, typed(advice));
}

/**
 * What is said of files with uids of no account on file systems that are unmounted, and keep them: whoever gets the uid owns them.
 * Printable.
 */
export function leftOnMounts(root: JailRoot): readonly string[] {
  const mounts = othersMounts(root).filter(({ isOnlyHere }) => !isOnlyHere);
  if (mounts.length === 0) return [];
  const served = answered(servedMounts) ?? new Set<ByteString>();
  const known = new Map<number, boolean>();
  return mounts.flatMap((mount) => {
    const { uid, place } = ofUsersOn(mount, served, (uid) => known.getOrInsertComputed(uid, isNobodys)) ?? {};
    if (uid === undefined || place === undefined) return [];
    const where = `the file system (${display(mount.type)}) that was mounted on ${quoted(mount.place)}`;
    return [
      `files with the uid ${uid}, which is that of no account, stay in ${where}, such as ${quoted(place)}: whoever gets this uid owns them, unless they are given to root first`,
    ];
  });
}

const mountedText = ({ place }: OthersMount): string => `a file system is mounted at ${quoted(place)}`;

function ofUsersText({ uid, place }: OfUsers): string {
  if (uid === undefined || place === undefined) return "perhaps with files of users";
  return `with files of users, such as ${quoted(place)} of uid ${uid}`;
}

/** The error for a mount with files that somebody would miss, or own who gets the uid later. */
function keeps(jail: ByteString, mount: OthersMount, what: string, first: ByteString): JailkitError {
  const remedy = composed(`${first}jailkit forget ${operands(jail)}`);
  const unmount = commandAt(mount.place, unmountForGood([mount.place], fstabText()));
  const way = typeof unmount === "string" ? `unmount it: ${unmount}` : unmount.words;
  const before = mount.isOnlyHere ? "copy them, and " : "";
  const message = `${mountedText(mount)}, ${what}: keep all of it as it is with: ${remedy}; or ${before}${way}`;
  return new JailkitError("mounts", 1, message, undefined, remedy);
}
