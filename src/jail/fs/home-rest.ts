import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { fstat, type Stat } from "../../../ffi/files.ts";
import { directoryOf, normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { octal } from "../../cli/octal.ts";
import { localUsers } from "../../system/flat-accounts.ts";
import { below } from "../../system/mountinfo.ts";
import { hostUser } from "../../system/name-services.ts";
import { asideBox } from "./home-aside.ts";
import type { CopiedFiles } from "./home-seen.ts";
import { lookUp } from "./look.ts";
import { UNKNOWN_TOP } from "./mount-top.ts";
import { removeTree } from "./remove.ts";
import { exchangeFindings } from "./safety.ts";
import { isDirectory, type JailRoot, withDirectory } from "./walk.ts";

// A home that was copied goes when its copy has its place. A run that was killed meanwhile has written down what tells them.

/** A home that moves, and what takes its place: its copy, or itself. */
interface BothHomes {
  /** The new place, on the host. */
  readonly to: ByteString;
  /** Inodes, which are one for a home that moves without a copy: numbers of devices are others when the machine has been started again. */
  readonly homeInode: bigint;
  readonly copyInode: bigint;
}

/** What is written down of a move. */
export interface Noted {
  /** On the host. */
  readonly home: ByteString;
  /** The directory, of root alone, in which the home or its copy waits for its place, on the host; empty if none is known yet. */
  readonly box: ByteString;
  /** The account with its former and its new home, as plain paths. */
  readonly account: { readonly name: ByteString; readonly before: ByteString; readonly after: ByteString };
  /** Undefined until it is put aside, or its copy is complete. */
  readonly both: BothHomes | undefined;
  /** The copy has its place. */
  readonly isPlaced: boolean;
  /** A run could not remove all that is left of the home. */
  readonly isTold: boolean;
  /** The mode of the home before it was closed, where that is not on it. */
  readonly mode: number | undefined;
  /** The mounts where both are: see topOf. */
  readonly tops: { readonly home: ByteString; readonly box: ByteString };
}

/** The longest text of a note: six paths, a name, numbers and ids. */
export const LONGEST = 7 * C.PATH_MAX;

const PLACED = "placed";
const TOLD = "told";

/** The text of a note. What follows it, of a longer one that it overwrites, does not count. */
export function noteText({ home, box, account, both, isPlaced, isTold, mode, tops }: Noted): ByteString {
  const { name, before, after } = account;
  const { to = "", homeInode = "", copyInode = "" } = both ?? {};
  return [
    ...[home, box, name, before, after, to, homeInode, copyInode],
    ...[
      isTold ? TOLD : isPlaced ? PLACED : "",
      mode === undefined ? "" : octal(mode),
      tops.home,
      tops.box,
      "",
    ],
  ].join("\0");
}

/** What a note says. */
export function notedIn(text: ByteString): Noted {
  const [home = "", box = "", name = "", before = "", after = "", to = "", ...more] = text.split("\0");
  const [homeInode, copyInode] = more.slice(0, 2).map(numberOf);
  const isWhole = to !== "" && homeInode !== undefined && copyInode !== undefined;
  const both = isWhole ? { to, homeInode, copyInode } : undefined;
  const mode = /^[0-7]{1,4}$/.test(more[3] ?? "") ? Number.parseInt(more[3] ?? "", 8) : undefined;
  const isTold = more[2] === TOLD;
  const isPlaced = isTold || more[2] === PLACED;
  const tops = { home: more[4] ?? UNKNOWN_TOP, box: more[5] ?? UNKNOWN_TOP };
  return { home, box, account: { name, before, after }, both, isPlaced, isTold, mode, tops };
}

const numberOf = (text: string): bigint | undefined => (/^\d{1,20}$/.test(text) ? BigInt(text) : undefined);

/** Which of its two homes the account of a note has; "none" if it has another one. Throws JailkitError if a name service does not answer. */
export function homeOf({ account: { name, before, after } }: Noted): "before" | "after" | "none" {
  const which = (home: ByteString) => {
    const place = normalPath(home);
    return place === after ? "after" : place === before ? "before" : "none";
  };
  const own = hostUser(name);
  if (own !== undefined) return which(own.home);
  // It may have another name now.
  const found = new Set(localUsers().map(({ home }) => which(home)));
  found.delete("none");
  const [only = "none"] = found;
  return found.size === 1 ? only : "none";
}

/** True for a home that moves without a copy. */
export const isAside = ({ home, box, both }: Noted): boolean => both !== undefined && box === asideBox(home);

/** What is left of a home of which the copy has its place. */
export interface Rest {
  /** On the host. */
  readonly path: ByteString;
  readonly stat: Stat;
  /** Where the copy came; what is there now is the copy, or something else. */
  readonly to: ByteString;
  readonly copyInode: bigint;
  readonly isThere: boolean;
  /** It is the home of an account, or that is in it. */
  readonly isHome: boolean;
  /** A run could not remove all of it. */
  readonly isTold: boolean;
}

/** What is left of a home that was copied; undefined while the copy has no place yet. Throws SystemError, JailkitError. */
export function restOf(tree: JailRoot, noted: Noted): Rest | undefined {
  const { home, both, isPlaced, isTold } = noted;
  if (both === undefined || isAside(noted)) return undefined;
  const { to, homeInode, copyInode } = both;
  const stat = lookUp(tree, home)?.stat;
  if (stat === undefined || stat.ino !== homeInode || !isDirectory(stat)) return undefined;
  const isThere = lookUp(tree, to)?.stat.ino === copyInode;
  if (!isThere && !isPlaced && homeOf(noted) !== "after") return undefined;
  const isHome = localUsers().some((one) => isIn(tree, one.home, home));
  // Somebody has undone the move.
  return !isThere && isHome ? undefined : { path: home, stat, to, copyInode, isThere, isHome, isTold };
}

/** Whether a home is a directory, or one below it, by the text of its path, or where that leads. */
function isIn(tree: JailRoot, home: ByteString, directory: ByteString): boolean {
  const path = normalPath(home);
  const real = answered(() => lookUp(tree, path, { follow: true })?.canonicalPath);
  return [path, real ?? path].some((one) => below(one, directory) !== undefined);
}

/** Why a run does not remove what is left of a home, printable, and what somebody has to do; undefined if it does. */
function whyRestStays(tree: JailRoot, { path, to, isThere, isHome }: Rest): string | undefined {
  const comparing = `compare it with ${quoted(to)}, and move one of them away`;
  if (isHome) return `${quoted(path)} is the home of an account: ${comparing}`;
  if (!isThere)
    return `${quoted(to)} is not the copy of ${quoted(path)} any more: find that, compare them, and move the older one away`;
  // As for the move itself, also below a directory that is sticky.
  if (exchangeFindings(tree, directoryOf(path)).length === 0) return undefined;
  return `${quoted(path)} is not removed, since others could exchange it: ${comparing}`;
}

/**
 * Removes what is left of a home, but for what is not as it was copied, or never was in it. `copied`: what was copied. Throws
 * JailkitError for what stays.
 */
export function removeRest(tree: JailRoot, rest: Rest, copied: CopiedFiles | undefined): void {
  const { path, to, stat, copyInode } = rest;
  const why = whyRestStays(tree, rest);
  if (why !== undefined) throw new JailkitError("home-changed", 1, why);
  withDirectory(tree, to, (copy) => {
    withDirectory(tree, path, ({ fd }) => {
      const top = fstat(fd);
      if (top.ino !== stat.ino || fstat(copy.fd).ino !== copyInode) return;
      try {
        removeTree(tree, path, top, (file) => copied?.has(file, top) === true);
      } catch (error) {
        if (!(error instanceof JailkitError && error.code === "appeared")) throw error;
        const message = `${quoted(path)} stays, at least in part, since ${error.message}: compare it with ${quoted(to)}, and move it away`;
        throw new JailkitError("home-changed", 1, message);
      }
    });
  });
}
