import type { ByteString } from "../../../ffi/bytes.ts";
import { makeLink, renameAt, unlinkIfPresent } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import {
  entriesOf,
  fstat,
  openAt,
  openAt2,
  type Stat,
  sameFile,
  statAt,
  withFd,
} from "../../../ffi/files.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { stopIfInterrupted } from "../../cli/interrupt.ts";
import { grantsPower } from "../../system/grants.ts";
import { NOTHING_MOVED } from "./home-copy.ts";
import { attributesOf, nameError, putSpecial, withOriginal, xattrsOf } from "./home-fill.ts";
import { type HomeLevel, isWhiteout, pathIn, requireMount, WITHIN, walkHome } from "./home-scan.ts";
import { type Directory, isRegular, type JailRoot } from "./walk.ts";
import { createFileIn } from "./write.ts";

/** An open home, and its path for messages. */
interface OpenHome {
  readonly fd: number;
  readonly path: ByteString;
}

/** A file that a jail must not get as it is. */
export interface Replacement {
  /** Relative to the home. */
  readonly path: ByteString;
  readonly stat: Stat;
  /** The name of the copy that takes its place. */
  readonly copy: ByteString;
}

type Found = Omit<Replacement, "copy">;

const keyOf = ({ devMajor, devMinor, ino }: Stat): string => `${devMajor}:${devMinor}:${ino}`;

/**
 * Prepares copies, in the directory `box`, of the files in a home that a jail must not get as they are: programs that give
 * rights (setuid, setgid, capabilities); files with other names outside the home, through which both sides would share the
 * content, owner and mode; FIFOs and sockets, through which a process outside may listen. Nobody but root may reach the home
 * or the box. Throws JailkitError for what cannot be moved (walkHome), or after a signal.
 */
export function prepareReplacements(home: OpenHome, root: JailRoot, box: Directory): Replacement[] {
  const copies = new Map<string, ByteString>();
  return findFiles(home).map((found, index) => {
    const copy = `new-${index}`;
    try {
      stopIfInterrupted(NOTHING_MOVED);
      const first = copies.get(keyOf(found.stat));
      if (first === undefined) copyFile(home, found, root, box, copy);
      else linkCopy(box, first, copy);
    } catch (error) {
      throw nameError(error, home.path, found.path);
    }
    copies.set(keyOf(found.stat), copy);
    return { ...found, copy };
  });
}

/** Puts prepared copies in the places of the originals. Throws SystemError, also if a place is no longer as it was seen. */
export function replaceFiles(home: OpenHome, box: Directory, replacements: readonly Replacement[]): void {
  for (const { path, stat, copy } of replacements) {
    const flags = C.O_PATH | C.O_DIRECTORY;
    withFd(openAt2(home.fd, parentOf(`/${path}`).slice(1) || ".", flags, WITHIN), (parent) => {
      const name = baseName(path);
      if (!sameFile(statAt(parent, name), stat)) throw new SystemError(C.ESTALE, "rename", home.path);
      renameAt(box.fd, copy, parent, name);
    });
  }
}

/** Removes copies that an interrupted run has prepared: all that is in the box besides `home`. */
export function sweepReplacements(box: Directory, home: ByteString): void {
  const names = entriesOf(box.fd);
  // Also under temporary names.
  for (const { name } of names) if (name !== home) unlinkIfPresent(box.fd, name);
}

function findFiles(home: OpenHome): Found[] {
  const mount = fstat(home.fd).mountId;
  const found: Found[] = [];
  const names = new Map<string, { count: number; links: number }>();
  const look = (level: HomeLevel, name: ByteString, type: number) => {
    if (type === C.DT_DIR) return;
    const stat = statAt(level.fd, name);
    const path = pathIn(level, name);
    requireMount(home.path, path, stat, mount);
    if (type === C.DT_LNK || isWhiteout(stat)) return;
    if (!isRegular(stat) || grantsPower(level.fd, name, stat.mode)) {
      found.push({ path, stat });
      return;
    }
    if (stat.nlink < 2) return;
    const seen = names.get(keyOf(stat));
    if (seen === undefined) names.set(keyOf(stat), { count: 1, links: stat.nlink });
    else seen.count++;
  };
  walkHome(home.fd, home.path, (level) => {
    stopIfInterrupted(NOTHING_MOVED);
    for (const piece of level.pieces) for (const { name, type } of piece) look(level, name, type);
  });
  const isOutside = (stat: Stat) => {
    const seen = names.get(keyOf(stat));
    return seen !== undefined && seen.count < seen.links;
  };
  if (![...names.values()].some(({ count, links }) => count < links)) return found;
  walkHome(home.fd, home.path, (level) => {
    for (const names of level.pieces)
      for (const { name, type } of names) {
        if (type !== C.DT_REG) continue;
        const stat = statAt(level.fd, name);
        if (stat.nlink > 1 && isOutside(stat)) found.push({ path: pathIn(level, name), stat });
      }
  });
  return found;
}

function copyFile(
  home: OpenHome,
  { path, stat: seen }: Found,
  root: JailRoot,
  box: Directory,
  name: ByteString,
) {
  const spot = { root, parent: box, name };
  if (!isRegular(seen)) {
    putSpecial(home.fd, path, seen, spot);
    return;
  }
  const copy = (fd: number, stat: Stat) => {
    if (!sameFile(stat, seen)) throw new SystemError(C.ESTALE, "open", undefined);
    createFileIn(spot, { fd, size: stat.size }, attributesOf(stat), xattrsOf(fd));
  };
  withOriginal(home.fd, path, copy);
}

function linkCopy(box: Directory, first: ByteString, name: ByteString): void {
  withFd(openAt(box.fd, first, C.O_PATH | C.O_NOFOLLOW), (fd) =>
    makeLink(fd, "", box.fd, name, C.AT_EMPTY_PATH),
  );
}
