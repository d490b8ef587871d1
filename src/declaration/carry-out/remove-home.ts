import type { ByteString } from "../../../ffi/bytes.ts";
import { isErrno } from "../../../ffi/error.ts";
import type { Stat } from "../../../ffi/files.ts";
import { quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { stopIfInterrupted } from "../../cli/interrupt.ts";
import type { ProblemCode } from "../../cli/problem-codes.ts";
import { lookUp, placeOnHost } from "../../jail/fs/look.ts";
import { hostPath, isDirectory, type JailRoot, withDirectory } from "../../jail/fs/walk.ts";
import { removeTree, type Watch } from "../../jail/fs/write.ts";
import { openNamedJail } from "../../jail/record/named-jail.ts";
import type { LeftHome } from "../../jails/delete-plan.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { HOLDS_HOME, holdsText, ownerOfOthers } from "../../users/home-along.ts";
import { requireNothingRuns } from "../../users/sessions.ts";
import { openIdOf, samenessOf } from "../ids.ts";
import type { Said } from "./steps.ts";

/** Removes homes that earlier runs have left: with the jail, and only when nothing else prevents that. */
export function removeLeftHomes(jail: ByteString, homes: readonly LeftHome[], steps: Said["steps"]): void {
  using root = openNamedJail(jail);
  for (const { uid, path } of homes) {
    const stat = lookUp(root, path)?.stat;
    // Who may write above it may have put another one there since.
    if (stat?.uid !== uid || !isDirectory(stat)) continue;
    removeOwn(root, path, { name: "", uid }, stat);
    steps.push(`removed the home ${quoted(placeOnHost(root, path))}`);
  }
}

/** The error for what is another one, or elsewhere, than when the plan was made. */
export const changedSince = (code: ProblemCode, what: string): JailkitError =>
  new JailkitError(code, 1, `${what} since the plan was made: nothing of it is removed; run this again`);

/**
 * Removes the home that an account had when it was declared, as `id` says, if what opens at its path is that: before, the path
 * may have led to another one. Throws JailkitError as removeOwn, and "exchanged".
 */
export const removeKnown = (
  root: JailRoot,
  home: ByteString,
  user: Pick<PasswdEntry, "name" | "uid">,
  id: ByteString | undefined,
): void =>
  withDirectory(root, home, ({ fd, stat }) => {
    if (stat.uid !== user.uid || samenessOf(id, openIdOf(fd)) !== "same")
      throw changedSince("exchanged", `${quoted(hostPath(root, home))} has become another home`);
    removeOwn(root, home, user, stat);
  });

/** Removes a home, but nothing of another account that has come there: throws JailkitError "holds-home" then. */
function removeOwn(
  root: JailRoot,
  home: ByteString,
  user: Pick<PasswdEntry, "name" | "uid">,
  seen: Stat,
): void {
  const directory: Watch["directory"] = (stat, path) => {
    const owner = ownerOfOthers(user, stat);
    if (owner === undefined) return;
    const what = holdsText({ ...owner, directory: hostPath(root, path()) });
    const message = `${quoted(hostPath(root, home))} is not removed: ${what}`;
    throw new JailkitError(HOLDS_HOME, 1, message);
  };
  const how = `${quoted(hostPath(root, home))} is removed in part; run this again`;
  const filled = () => requireNothingRuns(user);
  try {
    removeTree(root, home, seen, undefined, { directory, name: () => stopIfInterrupted(how), filled });
  } catch (error) {
    // What runs as the user can bring these about.
    if (
      isErrno(error, "ENOENT", "ENOTEMPTY") ||
      (error instanceof JailkitError && error.code === "exchanged")
    )
      requireNothingRuns(user);
    throw error;
  }
}
