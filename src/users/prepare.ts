import type { ByteString } from "../../ffi/bytes.ts";
import { directoryOf, normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { neverHome } from "../jail/accounts/home-place.ts";
import { isVacant } from "../jail/fs/home-place.ts";
import { lookUp, placeOnHost } from "../jail/fs/look.ts";
import { newMount } from "../jail/fs/mounted-home.ts";
import { hostPath, type JailRoot } from "../jail/fs/walk.ts";
import { requireWritable } from "../jail/fs/writable.ts";
import { makeDirectories } from "../jail/fs/write.ts";
import { isLocalUser } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { below } from "../system/mountinfo.ts";
import { jailOfHome, livesIn, splitHome } from "../system/separator.ts";
import { type AccessPlan, planAccess, writeAccess } from "./access.ts";
import { isRenamed, recall, rememberAccount } from "./account-record.ts";
import type { AccountRun } from "./account-run.ts";
import { homeFor, ownLine, requireLines, writeJailSide } from "./jail-side.ts";
import { groupsOf, type JailingOptions, warnOfPolicy } from "./jailing.ts";
import { planKeys } from "./keys.ts";
import { giveMount } from "./mounted-home.ts";
import { completeOwnMove } from "./move-aside.ts";
import { LIMITED_SHELL } from "./open-jail.ts";
import { elsewhereAdvice, homeElsewhere, otherHome } from "./own-home.ts";
import { requireSafePlace, unsafePlace } from "./safe-place.ts";
import { seenNow } from "./seen.ts";
import { NO_SKELETON, planSkeletonKeys } from "./skeleton-keys.ts";
import { requireNoStray } from "./stray-home.ts";

/**
 * Plans to prepare a jail for an account, which stays as it is on the host: its lines, its keys and services, and an empty
 * home if it lives in the jail, or if only its directory can move it there. Calling the result does it. Throws JailkitError.
 */
export function prepareJail(
  user: PasswdEntry,
  root: JailRoot,
  { host, access, shell, dryRun, facts, seen = seenNow(root) }: JailingOptions,
  run: AccountRun,
): () => void {
  const groups = groupsOf(user, facts, seen.accounts);
  requireLines(user, groups, root.path);
  const usualShell = seen.recorded(user.name)?.jailShell;
  const home = homeFor(user, root.path);
  const isDirectorys = !(facts?.isLocal ?? isLocalUser)(user.name);
  const isFit = neverHome(home, true) === undefined;
  const isToBe = () => belongsIn(root, user, isDirectorys) && isFit;
  const isMissing = () => isToBe() && lookUp(root, home) === undefined;
  // An empty one would be in the way of the home that an interrupted run has put aside.
  const recorded = () => seen.recorded(user.name)?.home ?? home;
  if (!isDirectorys && isToBe() && isVacant(root, home))
    completeOwnMove(user, host, { root, recorded }, run, dryRun);
  const isMounted = () => isToBe() && newMount(root, home) !== undefined;
  const elsewhere = isFit ? homeElsewhere(user, root, () => seen.recorded(user.name)?.home) : undefined;
  // Its line tells where that is, and would not any more.
  if (elsewhere?.other?.jail === root.path && elsewhere.other.line !== undefined) requireNoStray(user);
  if (elsewhere !== undefined) {
    const { message, advice } = elsewhereAdvice(user, root.path, elsewhere);
    run.warn(`the home ${quoted(hostPath(root, home))} is not created, ${message}; ${advice}`);
  }
  const newHome =
    elsewhere === undefined &&
    (isMissing() || isMounted()) &&
    hasSafePlace(root, { user, home }, isDirectorys || access.keys.length > 0, run);
  const present = ownLine(seen.accounts, user)?.shell;
  if (present === undefined && livesIn(root.path, user.home)) requireNoStray(user);
  const jailShell = shell ?? present ?? usualShell ?? LIMITED_SHELL;
  run.jailShell = jailShell;
  const place = { root, user, home };
  const plan = planAccess({ root, name: user.name, home, shell: jailShell }, access, (keys) =>
    newHome ? planSkeletonKeys(NO_SKELETON, keys) : planKeys(place, keys),
  );
  return () => {
    requireWritable(root, ["/etc"]);
    const steps = writeJailSide(user, groups, { root, shell, usualShell, dryRun });
    if (newHome) {
      if (!dryRun) makeHome(root, home, user);
      steps.push(`created the home ${quoted(placeOnHost(root, home))}`);
    }
    for (const step of steps) run.done(dryRun ? `would have ${step}` : step);
    run.status = dryRun ? "planned" : steps.length > 0 || plan.changes ? "done" : "unchanged";
    if (dryRun) describe(plan, run);
    else {
      if (isDirectorys) remember(root, user, shell);
      writeAccess(place, access, run);
    }
    if (isDirectorys || present === undefined) warnOfPolicy({ user, jailShell }, root, access, run);
  };
}

/**
 * True if a home can be created safely. If not, throws JailkitError if the home is `needed`; otherwise warns, since lines of
 * an account can be corrected without one.
 */
function hasSafePlace(
  root: JailRoot,
  { user, home }: { user: PasswdEntry; home: ByteString },
  needed: boolean,
  run: AccountRun,
): boolean {
  const elsewhere = otherHome(user, root, home);
  const why = unsafePlace(root, home, elsewhere);
  if (why === undefined) return true;
  if (needed) requireSafePlace(root, home, elsewhere);
  run.warn(`the home ${quoted(hostPath(root, home))} is not created, ${why}`);
  return false;
}

/** Whether the home of an account is in a jail, or only its directory can move it there. */
function belongsIn(root: JailRoot, { home }: PasswdEntry, isDirectorys: boolean): boolean {
  const jail = jailOfHome(home);
  if (isDirectorys || jail !== undefined) return isDirectorys || jail === root.path;
  return below(normalPath(home), root.path) !== undefined;
}

function describe({ lines, warnings }: AccessPlan, run: AccountRun): void {
  for (const line of lines) run.done(line);
  for (const line of warnings) run.warn(line);
}

/** Records home and shell of an account of a directory, for when it leaves the jail. */
function remember(root: JailRoot, user: PasswdEntry, shell: ByteString | undefined): void {
  const isOutside = splitHome(user.home) === undefined;
  const before = recall(root, user.name);
  if (isOutside && (before === undefined || isRenamed(root, before))) rememberAccount(root, user, shell);
}

function makeHome(root: JailRoot, home: ByteString, user: PasswdEntry): void {
  const { uid, gid } = user;
  giveMount(root, home, user, newMount(root, home));
  makeDirectories(root, directoryOf(home), () => ({ mode: 0o755, uid: 0, gid: 0 }));
  makeDirectories(root, home, () => ({ mode: 0o700, uid, gid }));
}
