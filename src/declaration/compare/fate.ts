import type { ByteString } from "../../../ffi/bytes.ts";
import type { Stat } from "../../../ffi/files.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { type JailAccounts, readJailAccounts } from "../../jail/accounts/accounts.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { hostPath, isDirectory, type JailRoot } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { below } from "../../system/mountinfo.ts";
import { homeInJail, joinHome } from "../../system/separator.ts";
import { recall, recallRenamed } from "../../users/account-record.ts";
import { holdsText, otherHomeIn, othersDirectoryIn } from "../../users/home-along.ts";
import { isTooLarge } from "../../users/home-owners.ts";
import { whyNotHome } from "../../users/own-home.ts";
import { homeIdIn, samenessOf } from "../ids.ts";
import { homeOutside } from "../kept-where.ts";
import type { KeptHome, OnceUser } from "../once-shape.ts";
import { mountIn } from "../other-things.ts";

/** What --prune does with a user of a jail. */
export interface Fate {
  /**
   * "removed": the account that apply created. "out": of the jail, with the home. "line": an account of a directory loses its
   * lines in the jail. "stays": so does one that is not known to have had a shell of the machine: what ends its logins must
   * not give it others, outside.
   */
  readonly how: "removed" | "out" | "line" | "stays";
  /** The jail was deleted, with the lines. */
  readonly isGone?: boolean;
  /** The directory that goes with it, as the jail sees it. */
  readonly home: ByteString | undefined;
  /** What of another user, or which mount, is in the home, which stays therefore; printable. */
  readonly holds?: ByteString | undefined;
  /** The place of a home that stays, as the account has it, if what is there is no home of it: why, printable, after its name. */
  readonly notHome?: { readonly place: ByteString; readonly why: string } | undefined;
  /** What it does not keep in the jail that it leaves: as setIdsText. */
  readonly setIds?: string | undefined;
  /** The home that stays when the account is removed, or leaves: then nobody has its uid any more, or nobody may have it. */
  readonly stays?: KeptHome | undefined;
}

/** A user of the jail, by its line there. */
export interface HomeLine {
  readonly name: ByteString;
  readonly uid: number;
  /** As the jail sees it, plain. */
  readonly home: ByteString;
}

/** The homes by the lines of a jail. */
export const homeLines = ({ users }: Pick<JailAccounts, "users">): readonly HomeLine[] =>
  users.map(({ name, uid, home }) => ({ name, uid, home: normalPath(home) }));

interface Others {
  /** Users whose homes will have left before. */
  readonly gone: ReadonlySet<ByteString>;
  /** All who have a line in the jail. */
  readonly homes: () => readonly HomeLine[];
}

/**
 * Decides it; `user` is the account as it is now. Throws JailkitError if the record of the jail cannot be read, or a name
 * service is silent.
 */
export function fateOf(
  root: JailRoot,
  user: PasswdEntry | undefined,
  once: OnceUser,
  deleteHomes: boolean,
  others: Others = { gone: new Set(), homes: () => homeLines(readJailAccounts(root)) },
): Fate {
  const { name, created, createdHome, directory } = once;
  if (directory) return { how: "line", home: undefined, stays: homeByLine(root, name, others.homes()) };
  const home = homeInJail(user?.home ?? "");
  // Of that name, but another account.
  if (user !== undefined && created === user.uid) {
    const stat = lookUp(root, home)?.stat;
    const isOurs = createdHome === joinHome(root.path, home);
    // Somebody may have made another one there, or brought it back from a backup.
    const isKnown = samenessOf(once.homeId, homeIdIn(root, home, user.uid)) === "same";
    const goes = deleteHomes && isOurs && isKnown && stat?.uid === user.uid && isDirectory(stat);
    const holds = goes ? (mountIn(root.path, home) ?? homeIn(root, home, user, others)) : undefined;
    const about = { name, uid: user.uid, home: joinHome(root.path, home), directoryId: undefined };
    const lost = { ...about, created: undefined, isLost: true };
    if (goes && holds === undefined) return { how: "removed", home, stays: homeOutside(lost) };
    const why = whyNotThere(user, { stat, isOurs });
    const notHome = why === undefined ? undefined : { place: joinHome(root.path, home), why };
    const kept = { ...about, created: isOurs && isKnown };
    const stays = stat?.uid === user.uid ? kept : isOurs ? lost : undefined;
    return { how: "removed", home: undefined, holds, notHome, stays };
  }
  const { recordedAs } = once;
  const before = user === undefined ? recall(root, name) : recallRenamed(root, user, recordedAs);
  // Of one that had a life outside, the code that takes it out says that it is not known any more.
  if (before?.shell === undefined && recordedAs === undefined) return { how: "stays", home: undefined };
  // Some panels have it in the jail, without /./ in the account: there it is again.
  const isThere = before?.home !== undefined && normalPath(before.home) === hostPath(root, home);
  return { how: "out", home: isThere ? undefined : home };
}

/** The home that an account of a directory has by its line: whoever gets the uid later would own it. */
function homeByLine(root: JailRoot, name: ByteString, lines: readonly HomeLine[]): KeptHome | undefined {
  const line = lines.find((one) => one.name === name);
  if (line === undefined || line.uid === 0 || lookUp(root, line.home)?.stat.uid !== line.uid)
    return undefined;
  const home = joinHome(root.path, line.home);
  return { name, uid: line.uid, home, created: undefined, directoryId: undefined };
}

/** What is in the place of a home instead of it, printable. If nothing is, it counts if apply made it. */
function whyNotThere(
  user: PasswdEntry,
  { stat, isOurs }: { readonly stat: Stat | undefined; readonly isOurs: boolean },
): string | undefined {
  if (stat === undefined) return isOurs ? "is not there" : undefined;
  return stat.uid === user.uid && isDirectory(stat) ? undefined : whyNotHome(stat, user);
}

/** Undefined also for a home that is too large to look: its deletion looks at each directory that it enters. */
function directoryIn(user: PasswdEntry, place: ByteString, gone: Others["gone"]) {
  try {
    return othersDirectoryIn(user, place, ({ name }) => !gone.has(name));
  } catch (error) {
    if (isTooLarge(error)) return undefined;
    throw error;
  }
}

/**
 * What of another user is in a directory of the jail, printable: a home by a line of the jail, or as the machine knows it, or a
 * directory with content. Who may write above one may have moved it away from its place, to get rid of it.
 */
function homeIn(
  root: JailRoot,
  directory: ByteString,
  user: PasswdEntry,
  { gone, homes }: Others,
): ByteString | undefined {
  // With its uid, it may be its line of another name.
  const isOther = ({ name, uid, home }: HomeLine) =>
    name !== user.name && uid !== user.uid && !gone.has(name) && below(home, directory) !== undefined;
  const place = hostPath(root, directory);
  const found = homes().find(isOther) ?? otherHomeIn(user, place, gone) ?? directoryIn(user, place, gone);
  return found && holdsText(found);
}
