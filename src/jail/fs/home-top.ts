import { fromBytes, toBytes } from "../../../ffi/bytes.ts";
import { chmodFd } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, isErrno } from "../../../ffi/error.ts";
import { fstat, openAt, withFd } from "../../../ffi/files.ts";
import { getXattr, removeXattr, setXattr } from "../../../ffi/xattrs.ts";
import { octal } from "../../cli/octal.ts";

// What a home's mode was before closeTop. Only root can write such an attribute (xattr(7)).
const FORMER_MODE = "trusted.jailkit.mode";

/** True for an extended attribute that no copy has. */
export const isOfClosedTop = (attribute: string): boolean => attribute === FORMER_MODE;

// The sticky bit tells it from a home that somebody has closed since a run was killed.
const closedMode = (mode: number): number => (mode & 0o7700) | C.S_ISVTX;

const withTop = <T>(fd: number, use: (top: number) => T): T =>
  withFd(openAt(fd, ".", C.O_RDONLY | C.O_DIRECTORY), use);

const modeOf = (fd: number): number => fstat(fd).mode & 0o7777;

/** True for a home, open, with the mode that closeTop gives to one which had `mode`. */
export const isClosedFrom = (fd: number, mode: number): boolean => modeOf(fd) === closedMode(mode);

/**
 * Closes a home to all but root and its user, until reopenTop, and returns the mode that it had. Undefined, with the home as it
 * was, if nobody else may enter it, if it is immutable, or if its mode cannot be noted on it: a run that is killed would leave it
 * closed for good. Where only room is missing for that, which its user can bring about, `keep` gets the mode before.
 */
export function closeTop(fd: number, keep: (mode: number) => void): number | undefined {
  const mode = modeOf(fd);
  if ((mode & 0o7700) === mode) return undefined;
  return attempt(() =>
    withTop(fd, (top) => {
      try {
        setXattr(top, FORMER_MODE, toBytes(octal(mode)));
      } catch (error) {
        if (!isErrno(error, "ENOSPC", "EDQUOT", "E2BIG")) throw error;
        keep(mode);
      }
      chmodFd(top, closedMode(mode));
      return mode;
    }),
  );
}

/**
 * The mode that a home had before a run that was killed closed it; undefined for any other home. `clears`: where somebody has
 * changed the mode since, the one of before is forgotten.
 */
export function modeBefore(fd: number, clears = true): number | undefined {
  return attempt(() =>
    withTop(fd, (top) => {
      const noted = getXattr(top, FORMER_MODE);
      if (noted === undefined) return undefined;
      const mode = Number.parseInt(fromBytes(noted), 8) & 0o7777;
      if (isClosedFrom(top, mode)) return mode;
      if (clears) removeXattr(top, FORMER_MODE);
      return undefined;
    }),
  );
}

/** Gives a home that was closed its mode back, unless somebody else has changed it meanwhile. Throws SystemError. */
export function reopenTop(fd: number, mode: number): void {
  withTop(fd, (top) => {
    if (isClosedFrom(top, mode)) chmodFd(top, mode);
    removeXattr(top, FORMER_MODE);
  });
}
