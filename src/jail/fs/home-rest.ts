import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { fstat, openIfPresent, type Stat, withFd } from "../../../ffi/files.ts";
import { directoryOf, normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { octal } from "../../cli/octal.ts";
import { localUsers } from "../../system/flat-accounts.ts";
import { below } from "../../system/mountinfo.ts";
import { hostUser } from "../../system/name-services.ts";
import { WITHIN } from "./home-scan.ts";
import { lookUp } from "./look.ts";
import { removeTree } from "./remove.ts";
import { exchangeFindings } from "./safety.ts";
import { isDirectory, type JailRoot, withDirectory } from "./walk.ts";

// Of a home and its complete copy one goes: the one that is not the home of the account. A run that was killed meanwhile has
// written down what tells them.

/** The home, or its copy. */
export type Which = "home" | "copy";

/** A home and its complete copy. */
export interface BothHomes {
  /** The path of the copy, on the host. */
  readonly to: ByteString;
  /** Inodes: numbers of devices are others when the machine has been started again. */
  readonly homeInode: bigint;
  readonly copyInode: bigint;
  /** A file of the home that changed before this time is in the copy as it was. By the clock of its file system, in ns. */
  readonly homeUntil: bigint;
  /** A file of the copy that changed up to this time is as it was copied. */
  readonly copyUntil: bigint;
}

/** What is written down of a move. */
export interface Noted {
  /** On the host. */
  readonly home: ByteString;
  /** Where the copy is made; empty if that is not known yet. */
  readonly copy: ByteString;
  /** The account with its former and its new home, as plain paths. */
  readonly account: { readonly name: ByteString; readonly before: ByteString; readonly after: ByteString };
  /** Undefined until the copy is complete. */
  readonly both: BothHomes | undefined;
  /** Which of the two is not whole any more, perhaps. */
  readonly removes: Which | undefined;
  /** The mode of the home before it was closed, where that is not on it. */
  readonly mode: number | undefined;
}

/** The longest text of a note: five paths, a name and numbers. */
export const LONGEST = 6 * C.PATH_MAX;

/** The text of a note. What follows it, of a longer one that it overwrites, does not count. */
export function noteText({ home, copy, account, both, removes, mode }: Noted): ByteString {
  const { name, before, after } = account;
  const numbers =
    both === undefined ? ["", "", "", ""] : [both.homeInode, both.copyInode, both.homeUntil, both.copyUntil];
  return [
    home,
    copy,
    name,
    before,
    after,
    both?.to ?? "",
    ...numbers,
    removes ?? "",
    mode === undefined ? "" : octal(mode),
    "",
  ].join("\0");
}

/** What a note says. */
export function notedIn(text: ByteString): Noted {
  const [home = "", copy = "", name = "", before = "", after = "", to = "", ...more] = text.split("\0");
  const [homeInode, copyInode, homeUntil, copyUntil] = more.slice(0, 4).map(numberOf);
  const isWhole = to !== "" && homeInode !== undefined && copyInode !== undefined;
  const both =
    isWhole && homeUntil !== undefined && copyUntil !== undefined
      ? { to, homeInode, copyInode, homeUntil, copyUntil }
      : undefined;
  const removes = more[4] === "home" || more[4] === "copy" ? more[4] : undefined;
  const mode = /^[0-7]{1,4}$/.test(more[5] ?? "") ? Number.parseInt(more[5] ?? "", 8) : undefined;
  return { home, copy, account: { name, before, after }, both, removes, mode };
}

const numberOf = (text: string): bigint | undefined => (/^\d{1,20}$/.test(text) ? BigInt(text) : undefined);

/** A home, or its copy. */
interface Side {
  /** On the host. */
  readonly path: ByteString;
  readonly stat: Stat;
  /** A file in it that changed later may not be in the other one as it is. */
  readonly until: bigint;
}

/** What goes of a home and its copy. */
export interface Rest extends Side {
  readonly which: Which;
  /** That of its user. */
  readonly uid: number;
  /** The other one. */
  readonly kept: Side;
}

/**
 * Which of a home and its complete copy is not the home of the account any more, or yet; undefined unless the other one is its
 * home, and whole, and both are the directories that were written down. Throws SystemError, JailkitError.
 */
export function restOf(tree: JailRoot, { home, account, both, removes }: Noted): Rest | undefined {
  if (both === undefined) return undefined;
  const { to, homeInode, copyInode, homeUntil, copyUntil } = both;
  const [homeStat, copyStat] = [lookUp(tree, home)?.stat, lookUp(tree, to)?.stat];
  if (homeStat?.ino !== homeInode || copyStat?.ino !== copyInode) return undefined;
  const user = hostUser(account.name);
  if (user === undefined || ![homeStat, copyStat].every(isDirectory)) return undefined;
  const { uid } = user;
  const place = normalPath(user.home);
  // One in a jail already may have a home outside.
  const which = place === account.after ? "home" : place === account.before ? "copy" : undefined;
  if (which === undefined || (removes !== undefined && removes !== which)) return undefined;
  // A copy becomes its user's when it has its name.
  const isFresh = which === "copy" && copyStat.uid === 0;
  if (homeStat.uid !== uid || !(copyStat.uid === uid || isFresh)) return undefined;
  const original = { path: home, stat: homeStat, until: homeUntil - 1n };
  const copy = { path: to, stat: copyStat, until: copyUntil };
  const [gone, kept] = which === "home" ? [original, copy] : [copy, original];
  return localUsers().some((one) => isIn(tree, one.home, gone.path))
    ? undefined
    : { which, uid, ...gone, kept };
}

/** Whether a home is a directory, or one below it, by the text of its path, or where that leads. */
function isIn(tree: JailRoot, home: ByteString, directory: ByteString): boolean {
  const path = normalPath(home);
  const real = answered(() => lookUp(tree, path, { follow: true })?.canonicalPath);
  return [path, real ?? path].some((one) => below(one, directory) !== undefined);
}

/**
 * Removes it, but for what is not in the other one, or is neither its user's nor root's: a rename brings there what was never
 * copied. A file that has changed since must be there as it is. Throws JailkitError for the first one that stays, and for a
 * directory that others than root could exchange.
 */
export function removeRest(tree: JailRoot, { path, kept, uid, stat, until }: Rest): void {
  const comparing = `compare it with ${quoted(kept.path)}, and move it away`;
  // As for the move itself, also below a directory that is sticky.
  if (exchangeFindings(tree, directoryOf(path)).length > 0) {
    const message = `${quoted(path)} is not removed, since others could exchange it: ${comparing}`;
    throw new JailkitError("unsafe-parent", 1, message);
  }
  withDirectory(tree, kept.path, (other) => {
    const isCopied = (file: Stat, at: ByteString) => {
      const copy = attempt(() => statBelow(other.fd, at.slice(path.length + 1)));
      if (copy === undefined || ![uid, 0].includes(file.uid) || !isSameKind(file, copy)) return false;
      // What has changed in the home since then is its user's will.
      const isReplaced = kept.until > 0n && file.ctime <= until && copy.ctime > kept.until;
      return isDirectory(file) || isSame(file, copy) || isReplaced;
    };
    withDirectory(tree, path, ({ fd }) => {
      if (fstat(fd).ino !== stat.ino || fstat(other.fd).ino !== kept.stat.ino) return;
      try {
        removeTree(tree, path, fstat(fd), isCopied);
      } catch (error) {
        if (!(error instanceof JailkitError && error.code === "appeared")) throw error;
        const message = `${quoted(path)} stays, at least in part, since ${error.message}: ${comparing}`;
        throw new JailkitError("home-changed", 1, message);
      }
    });
  });
}

/** What is in an open directory: a link, or what is mounted there, may lead back to the very file. Throws SystemError. */
function statBelow(fd: number, path: ByteString): Stat | undefined {
  const found = openIfPresent(fd, path, C.O_PATH | C.O_NOFOLLOW, WITHIN);
  return found === undefined ? undefined : withFd(found, fstat);
}

const isSameKind = (file: Stat, copy: Stat): boolean =>
  file.uid === copy.uid && (file.mode & C.S_IFMT) === (copy.mode & C.S_IFMT);

/** True for files with one content, as rsync(1) sees it. Each link of a file that is removed changes the time of the others. */
const isSame = (file: Stat, copy: Stat): boolean => file.size === copy.size && file.mtime === copy.mtime;
