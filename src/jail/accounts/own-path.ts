import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { pathsDownTo } from "../../../ffi/paths.ts";
import { display, quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { ownMounts } from "../../system/mountinfo.ts";
import { byWhat, showing } from "../fs/leads-into.ts";
import { isRecorded, knownJails } from "../record/registry.ts";
import { jailedUsers } from "./jailed-users.ts";

/**
 * What the path of a jail names, whether or not it is there: the nearest directory that can be looked at, at or above it, and the
 * rest of the path. Equal for paths that a mount or a symbolic link makes the same.
 */
export function placeOf(path: ByteString): string {
  for (const above of pathsDownTo(path).toReversed()) {
    // Why not, the jail says, which is not opened.
    const stat = answered(() => statIfPresent(AT_FDCWD, above, true));
    if (stat === undefined) continue;
    return `${stat.devMajor}:${stat.devMinor}:${stat.ino}:${path.slice(above.length)}`;
  }
  return path;
}

/** What a path is that leads to the directory of another jail; printable. */
export const isThatOf = (path: ByteString, jail: ByteString): string =>
  `is, ${byWhat(path)}, the directory of the jail ${quoted(jail)}`;

/**
 * Throws JailkitError "another-jail" for a path that no record and no account names, where a mount shows a jail that has one: of
 * one directory there would be two jails.
 */
export function requireOwnPath(path: ByteString): void {
  if (isRecorded(path)) return;
  const others = showing(answered(ownMounts) ?? [])(path).filter((one) => one !== path);
  if (others.length === 0) return;
  const recorded = answered(() => knownJails().map(({ jail }) => jail.path)) ?? [];
  const known = new Set([...recorded, ...jailedUsers().map(({ jail }) => jail)]);
  if (known.has(path)) return;
  const jail = others.find((one) => known.has(one) && placeOf(one) === placeOf(path));
  if (jail === undefined) return;
  const message = `${display(path)}: ${isThatOf(path, jail)}, which is known by that path: name that one`;
  throw new JailkitError("another-jail", 1, message);
}
