import { isReadOnlySubvolume, subvolumeId } from "../../../ffi/btrfs.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { type Holding, holdingAt, holdingFlags } from "../../../ffi/extents.ts";
import { openAt, withFd } from "../../../ffi/files.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { quoted, shortPath } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { type Advice, typed, withAdvice } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { readOnlySubvolume } from "../../jail/fs/empty.ts";
import { heldError } from "../../jail/fs/held.ts";
import { requireNoRest } from "../../jail/fs/home-moves.ts";
import { hostPath, type JailRoot, joinPath, onOneDevice } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { commandAt } from "../../system/exchange.ts";
import { HOLDS_HOME, holdsText, othersDirectoryIn } from "../../users/home-along.ts";
import { type EachName, isTooLarge, WHOLE } from "../../users/home-owners.ts";

/**
 * Looks at all of an open home before something of it is removed. `home`: its place, as the jail sees it. Throws JailkitError for
 * what would stay of it: a directory with something of another account ("holds-home"), a mount, a read-only subvolume, and what
 * chattr(1) protects ("immutable").
 */
export function requireRemovable(
  root: JailRoot,
  home: ByteString,
  user: Pick<PasswdEntry, "name" | "uid">,
  fd: number,
): void {
  const place = hostPath(root, home);
  requireNoRest([place]);
  const above = directoryOf(place);
  const held = holdingFlags(above) === "" ? undefined : heldError(above);
  if (held !== undefined) throw held;
  const top = holdingAt(fd, ".");
  if (top === undefined || top.flags !== "") throw heldIn(place, place);
  const each: EachName = (directory, name, path) => {
    const found = holdingAt(directory, name);
    if (found !== undefined) requireGoing(place, top, found, { directory, name, path });
  };
  const most = { ...WHOLE, ended: `nothing of ${quoted(place)} is removed; run this again` };
  const open = () => openAt(fd, ".", O_RDONLY | O_DIRECTORY);
  try {
    const others = othersDirectoryIn(user, place, () => true, open, most, each);
    if (others === undefined) return;
    throw new JailkitError(HOLDS_HOME, 1, `${quoted(place)} is not removed: ${holdsText(others)}`);
  } catch (error) {
    // What enters each directory looks at it once more.
    if (!isTooLarge(error)) throw error;
  }
}

interface Named {
  readonly directory: number;
  readonly name: ByteString;
  /** Of the directory, from the home. */
  readonly path: ByteString;
}

function requireGoing(
  place: ByteString,
  top: Holding,
  found: Holding,
  { directory, name, path }: Named,
): void {
  const isOther = found.mountId !== top.mountId || !onOneDevice(found, top);
  if (found.flags === "" && !isOther) return;
  const at = joinPath(path === "" ? place : joinPath(place, path), name);
  if (found.mountId !== top.mountId) throw mountedIn(place, at);
  if (found.flags !== "") throw heldIn(place, at);
  // A subvolume has a device of its own; so have files of an overlay.
  const fd = attempt(() => openAt(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK));
  if (fd === undefined) return;
  withFd(fd, () => {
    const id = isReadOnlySubvolume(fd) ? subvolumeId(fd) : undefined;
    if (id !== undefined) throw readOnlySubvolume(at, id, found.mountId);
  });
}

function mountedIn(place: ByteString, at: ByteString): JailkitError {
  const advice = commandAt(at, `umount ${operands(at)}`);
  return stays("mounts", place, `a file system is mounted at ${quoted(shortPath(at))}`, advice);
}

/** There may be more of them, which one command finds: by descriptors, so that nobody leads it elsewhere. */
function heldIn(place: ByteString, at: ByteString): JailkitError {
  const advice = commandAt(
    place,
    `find ${operands(place)} -xdev '(' -type f -o -type d ')' -execdir chattr -i -a {} +`,
  );
  return stays("immutable", place, `${quoted(shortPath(at))} is immutable or append-only`, advice);
}

const stays = (code: "mounts" | "immutable", place: ByteString, why: string, advice: Advice): JailkitError =>
  new JailkitError(
    code,
    1,
    withAdvice(`${quoted(place)} is not removed: ${why}`, advice),
    undefined,
    typed(advice),
  );
