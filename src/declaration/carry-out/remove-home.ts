import type { ByteString } from "../../../ffi/bytes.ts";
import { isErrno } from "../../../ffi/error.ts";
import type { Stat } from "../../../ffi/files.ts";
import { directoryOf, normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { stopIfInterrupted } from "../../cli/interrupt.ts";
import type { ProblemCode } from "../../cli/problem-codes.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { lookUp, placeOnHost } from "../../jail/fs/look.ts";
import { type Directory, hostPath, isDirectory, type JailRoot, withDirectory } from "../../jail/fs/walk.ts";
import { removeWholeHome } from "../../jail/fs/whole-home.ts";
import type { Watch } from "../../jail/fs/write.ts";
import { openNamedJail } from "../../jail/record/named-jail.ts";
import type { LeftHome } from "../../jails/delete-request.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { homeInJail, joinHome } from "../../system/separator.ts";
import { HOLDS_HOME, holdsText, ownerOfOthers } from "../../users/home-along.ts";
import { hostsOwnHome } from "../../users/one-home.ts";
import { requireNothingRuns } from "../../users/sessions.ts";
import type { Fate } from "../compare/fate.ts";
import { directoryIdIn, openIdOf, samenessOf } from "../ids.ts";
import type { KeptHome, OnceUser } from "../once-shape.ts";
import { requireRemovable } from "./removable.ts";
import type { Said } from "./steps.ts";

/** Removes homes that earlier runs have left: with the jail, and only when nothing else prevents that. */
export function removeLeftHomes(
  jail: ByteString,
  homes: readonly LeftHome[],
  { steps, warnings }: Pick<Said, "steps" | "warnings">,
): void {
  using root = openNamedJail(jail);
  for (const { uid, path } of homes) {
    const stat = lookUp(root, path)?.stat;
    // Who may write above it may have put another one there since.
    if (stat?.uid !== uid || !isDirectory(stat)) continue;
    withDirectory(root, path, (open) => removeOwn(root, path, { name: "", uid }, open, warnings));
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
  { warnings }: Pick<Said, "warnings">,
): void =>
  withDirectory(root, home, (open) => {
    if (open.stat.uid !== user.uid || samenessOf(id, openIdOf(open.fd)) !== "same")
      throw changedSince("exchanged", `${quoted(hostPath(root, home))} has become another home`);
    removeOwn(root, home, user, open, warnings);
  });

/** Removes a home, but nothing of another account that has come there: throws JailkitError "holds-home" then. */
function removeOwn(
  root: JailRoot,
  home: ByteString,
  user: Pick<PasswdEntry, "name" | "uid">,
  open: Pick<Directory, "fd" | "stat">,
  warnings: string[],
): void {
  const directory: Watch["directory"] = (stat, path) => {
    const owner = ownerOfOthers(user, stat);
    if (owner === undefined) return;
    const what = holdsText({ ...owner, directory: hostPath(root, path()) });
    const message = `${quoted(hostPath(root, home))} is not removed: ${what}`;
    throw new JailkitError(HOLDS_HOME, 1, message);
  };
  const filled = () => requireNothingRuns(user);
  const watch = (how: string): Watch => ({ directory, name: () => stopIfInterrupted(how), filled });
  const examine = (fd: number) => requireRemovable(root, home, user, fd);
  try {
    removeWholeHome(root, home, open, {
      ...{ name: user.name, examine, watch },
      warn: (line) => warnings.push(line),
    });
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

interface Staying {
  readonly once: OnceUser;
  readonly deleteHomes: boolean;
  readonly fate: Fate;
  readonly stays: (home: KeptHome) => void;
  /** What is in the place of the home. */
  readonly stat: Stat | undefined;
  readonly now: Fate;
  /** Perhaps with declared keys. */
  readonly hasKeys: boolean;
}

/** Says what stays of the home of an account that is removed, and keeps it in mind. */
export function keepHome(
  root: JailRoot,
  user: PasswdEntry,
  staying: Staying,
  { warnings }: Pick<Said, "warnings">,
): void {
  const { once, deleteHomes, fate, stays, stat, now, hasKeys } = staying;
  const place = homeInJail(user.home);
  const home = joinHome(root.path, place);
  const isOurs = fate.stays?.created ?? once.createdHome === home;
  const notOurs = now.holds ?? "apply did not create it";
  const why =
    deleteHomes || !isOurs
      ? notOurs
      : "this run is without --delete-homes; a later one deletes it only together with the jail";
  const keys = hasKeys ? ", perhaps with keys that were declared" : "";
  if (now.notHome !== undefined) warnings.push(lostText(root, once, now.notHome));
  else if (stat !== undefined)
    warnings.push(`the home ${quoted(placeOnHost(root, place))} of uid ${stat.uid} stays${keys}: ${why}`);
  const about = { name: user.name, uid: user.uid, home };
  if (stat?.uid === user.uid) stays({ ...about, created: isOurs, directoryId: undefined });
  // It may be below what is mounted there.
  else if (once.createdHome === home) {
    const directoryId = stat && directoryIdIn(root, directoryOf(place));
    stays({ ...about, created: undefined, directoryId, isLost: stat === undefined ? true : undefined });
  }
}

/** What is said of another home of an account that is removed, to which a link leads the host. */
export function staysOutside(root: JailRoot, home: ByteString): string[] {
  const outside = hostsOwnHome(root, home);
  if (outside === undefined) return [];
  const why = `a symbolic link in ${quoted(root.path)} leads the host there, and the jail elsewhere`;
  return [`the home ${quoted(outside)} stays: ${why}`];
}

/** What is said of a home that is not in its place any more, since others may write above it. */
function lostText(root: JailRoot, once: OnceUser, { place, why }: NonNullable<Fate["notHome"]>): string {
  const what = `${quoted(normalPath(place))} ${why}`;
  if (once.createdHome !== place) return `${what}, and stays`;
  const [inode = ""] = (once.homeId ?? "").split(" ");
  const search = `find ${shellWord(root.path)} -xdev -inum ${shellWord(inode)}`;
  const how =
    inode === "" || hostsOwnHome(root, homeInJail(place)) !== undefined
      ? ""
      : `; look for it with: ${search}`;
  return `${what}: the home that apply created there was not found, and is not deleted${how}`;
}

/** Throws JailkitError for a home that stays, if the plan was that it goes: then the account stays for the next plan. */
export function requireNotToGo(
  goes: ByteString | undefined,
  where: ByteString,
  holds: string | undefined,
): void {
  if (goes === undefined) return;
  if (holds === undefined) throw changedSince("exchanged", `${quoted(where)} has become another home`);
  throw new JailkitError(HOLDS_HOME, 1, `${quoted(where)} is not removed: ${holds}`);
}
