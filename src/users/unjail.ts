import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { readLink, type Stat, sameFile, statIfPresent } from "../../ffi/files.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { normalPath } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { shellWord } from "../cli/shell-word.ts";
import { takeLinesOut } from "../enter/remedies.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { requireOwnAccounts, withAccountsLock } from "../jail/accounts/change-accounts.ts";
import { lookUp, withTree } from "../jail/fs/look.ts";
import { requireMountedAt } from "../jail/fs/unmounted.ts";
import { hostPath, isDirectory, type JailRoot, openJailRoot } from "../jail/fs/walk.ts";
import { requireWritable, requireWritableAccounts } from "../jail/fs/writable.ts";
import { lostJail } from "../jail/record/moved.ts";
import { isNowhere, jailError, openNamedJail } from "../jail/record/named-jail.ts";
import { readContent } from "../jail/record/record-file.ts";
import { holdsJail, REGISTRY } from "../jail/record/registry.ts";
import { isLocalUser, JAILED_GROUP } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { type AccountFacts, askedFacts } from "../system/host-accounts.ts";
import { joinHome, splitHome } from "../system/separator.ts";
import { forgetAccount, recall, recallFrom, recallRenamed, rememberAccount } from "./account-record.ts";
import type { AccountRun } from "./account-run.ts";
import { changeAccount, requireSafeMove } from "./change-account.ts";
import { changeLogin } from "./change-login.ts";
import { DirectoryError } from "./directory.ts";
import { requireNoNeighbours } from "./home-along.ts";
import { takeLines } from "./jail-side.ts";
import { jailOfLeftover } from "./jail-to-leave.ts";
import type { JailingOptions } from "./jailing.ts";
import { noShell, requireNotOthers, shellAfter, shellGone } from "./leaving.ts";
import { completeOwnMove } from "./move-aside.ts";
import { requireNothingRuns } from "./sessions.ts";
import { type Foreseen, requireNoneKeeps, takeSetIds, tellOfSetIds } from "./set-ids.ts";

/** How an account leaves its jail. */
export interface UnjailOptions extends JailingOptions, Pick<Foreseen, "setIds" | "held"> {
  /** The name that the account is known to have had when it was jailed, if that was another one. */
  readonly recordedAs?: ByteString | undefined;
  /** Groups out of which the caller takes the account then. */
  readonly leaves?: readonly ByteString[];
  /** It is one of many plans: of a home that takes long to look at, that is the error. */
  readonly isBrief?: boolean;
  /**
   * Is called before the account changes, when no program of the jail can become it any more, with its home: the copy, which only
   * root reaches, if it moves; not in a dry run.
   */
  readonly whenAlone?: (root: JailRoot, home: ByteString) => void;
}

/** The plan to take an account out of a jail. */
interface Release {
  user: PasswdEntry;
  jail: ByteString;
  /** As the jail sees it. */
  jailHome: ByteString;
  home: ByteString;
  shell: ByteString;
  /** The home is moved out of the jail. */
  move: boolean;
  /** The home in the jail is a mount of the home outside, so that there is nothing to move. */
  isMounted: boolean;
  /** As its former home and shell are recorded; undefined if they are not. */
  recorded: ReturnType<typeof recall>;
}

function notJailed(user: PasswdEntry, why: string): JailkitError {
  return new JailkitError("not-jailed", 1, `${quoted(user.name)} is in ${why}`);
}

const isSame = (one: Stat, other: Stat | undefined): boolean => other !== undefined && sameFile(one, other);

/** The shell that an account gets. Throws JailkitError "no-shell" if it must be requested. */
function shellFor(
  user: PasswdEntry,
  recorded: ByteString | undefined,
  { shell, move }: JailingOptions,
): ByteString {
  const known = shell ?? shellAfter(user, () => recorded);
  if (known === undefined) throw noShell(user.name, move);
  return known;
}

/** Where a home goes: to its former place, unless a jail is there that would have to make room. */
function homeOutside(
  former: ByteString | undefined,
  jailHome: ByteString,
  host: JailRoot,
  run: AccountRun,
): ByteString {
  if (former === undefined) return jailHome;
  const place = normalPath(former);
  const what = lookUp(host, place) && holdsJail(place);
  if (what === undefined) return place;
  run.warn(
    `${quoted(place)}, the former home of the account, ${what}: the home is ${quoted(jailHome)} instead`,
  );
  return jailHome;
}

/** Plans for an account whose home is in the jail. */
function planRelease(
  user: PasswdEntry,
  jail: ByteString,
  home: ByteString,
  request: UnjailOptions,
  run: AccountRun,
): Release {
  const jailHome = normalPath(home);
  using root = openNamedJail(jail);
  const before = recallRenamed(root, user, request.recordedAs);
  completeOwnMove(user, request.host, { root, recorded: () => before?.home }, run, request.dryRun);
  const target = request.move
    ? homeOutside(before?.home, jailHome, request.host, run)
    : normalPath(`${jail}${jailHome}`);
  const there = request.move ? lookUp(root, jailHome)?.stat : undefined;
  // The account would leave the jail without it.
  if (request.move && there === undefined) requireMountedAt(hostPath(root, jailHome));
  const isMounted = there !== undefined && isSame(there, lookUp(request.host, target)?.stat);
  const move = there !== undefined && !isMounted;
  const shell = shellFor(user, before?.shell, request);
  if (move) {
    requireNotOthers(user, target, shell);
    const whole = request.isBrief !== true;
    requireSafeMove({ from: root, fromPath: jailHome, to: request.host, toPath: target }, user, whole);
    requireNoNeighbours(root, user, jailHome, { whole });
  }
  return { user, jail, jailHome, home: target, shell, move, isMounted, recorded: before };
}

/** Plans for an account that is outside, but still recorded in the jail. */
function planCompletion(user: PasswdEntry, jail: ByteString, request: JailingOptions): Release {
  using root = openNamedJail(jail);
  const [line, recorded] = [readJailAccounts(root).userByName(user.name), recall(root, user.name)];
  const jailHome = normalPath(line?.home ?? recorded?.home ?? user.home);
  const shell = request.shell ?? user.shell;
  return { user, jail, jailHome, home: user.home, shell, move: false, isMounted: false, recorded };
}

function decide(user: PasswdEntry, request: UnjailOptions, run: AccountRun): Release {
  const named = request.jail && absolutePath(request.jail);
  const split = splitHome(user.home);
  if (split === undefined) {
    completeOwnMove(user, request.host, undefined, run, request.dryRun);
    const jail = jailOfLeftover(user, named);
    if (jail === undefined) throw notJailed(user, "no jail");
    return planCompletion(user, jail, request);
  }
  const jail = normalPath(split.jail);
  if (named !== undefined && named !== jail)
    throw notJailed(user, `the jail ${quoted(jail)}, not in that one`);
  return planRelease(user, jail, split.home, request, run);
}

/**
 * Plans to take an account out of its jail: removes its line there, and gives it the requested shell, or that of
 * shellAfter. With `move` the home moves back, or to the same path on the host, if it was elsewhere before or a jail is there
 * now; else it stays. Also removes what an interrupted run left in a jail. Calling the result does it. Throws JailkitError, also if the move is not safe.
 */
export function unjailUser(user: PasswdEntry, request: UnjailOptions, run: AccountRun): () => void {
  let plan: Release;
  try {
    plan = decide(user, request, run);
  } catch (error) {
    const split = splitHome(user.home);
    if (split === undefined) throw error;
    return leaveGoneJail(user, split, request, run, error);
  }
  const { jail, jailHome, home, shell, move, isMounted } = plan;
  const { groupsOf, groupByGid, isLocal } = request.facts ?? askedFacts;
  if (home !== user.home || shell !== user.shell) requireLocal(user, jail, shell, isLocal);
  if (home !== user.home || shell !== user.shell) requireNothingRuns(user);
  requireShell(shell, user, request);
  run.home = home;
  run.shell = shell;
  return () => {
    using root = openJailRoot(jail);
    requireWritable(root, ["/etc"]);
    if (home !== user.home || shell !== user.shell) requireWritableAccounts();
    run.status = request.dryRun ? "planned" : "done";
    // The user cannot leave the primary group.
    const isMember = groupsOf(user).some((gid) => groupByGid(gid)?.name === JAILED_GROUP);
    if (isMember && request.leaves?.includes(JAILED_GROUP) !== true) {
      const remedy = `gpasswd -d ${shellWord(user.name)} ${JAILED_GROUP}`;
      run.warn(`${quoted(user.name)} stays in the group ${JAILED_GROUP}; to take it out: ${remedy}`);
    }
    const leaves = home !== user.home;
    if (request.move && !move && !isMounted && leaves)
      run.warn(`${quoted(joinHome(jail, jailHome))} does not exist: no home is moved`);
    if (request.dryRun) {
      requireOwnAccounts(root);
      requireNoneKeeps(root, user, request.lost, request);
      if (move) run.done(`would move ${quoted(joinHome(jail, jailHome))} to ${quoted(home)}`);
      if (leaves || shell !== user.shell)
        run.done(`would give ${quoted(user.name)} the home ${quoted(home)} and the shell ${quoted(shell)}`);
      run.done(`would remove ${quoted(user.name)} from the jail's account files`);
      tellOfSetIds(root, user, (line) => run.done(line), request);
    } else release(root, plan, request, run);
  };
}

/** Throws DirectoryError for an account that usermod(8) cannot change. Its files stay in the jail. */
function requireLocal(
  user: PasswdEntry,
  jail: ByteString,
  shell: ByteString,
  isLocal: AccountFacts["isLocal"],
): void {
  const { name } = user;
  if (isLocal(name)) return;
  using root = openJailRoot(jail);
  const before = recall(root, name)?.home;
  const home = before ?? normalPath(`${jail}${splitHome(user.home)?.home ?? user.home}`);
  const after = [takeLinesOut(jail, name)];
  throw new DirectoryError({ name, change: { home, shell }, before: [], after, leaves: true });
}

function requireShell(shell: ByteString, { name }: PasswdEntry, { move }: JailingOptions): void {
  if (statIfPresent(AT_FDCWD, shell, true) === undefined) throw shellGone(shell, name, move);
}

/**
 * Plans to take an account out of a jail that was removed: it gets back its former home and shell. Calling the result
 * does it. Throws `error` if the jail may have been moved.
 */
function leaveGoneJail(
  user: PasswdEntry,
  split: { jail: ByteString; home: ByteString },
  request: JailingOptions,
  run: AccountRun,
  error: unknown,
): () => void {
  const jail = normalPath(split.jail);
  const gone = error instanceof JailkitError && error.code === "no-such-jail";
  const lost = gone ? lostJail(jail) : undefined;
  if (!gone || !isNowhere(jail)) throw jailError(jail, error);
  const content = lost === undefined ? undefined : withTree((tree) => readContent(tree, REGISTRY, lost.id));
  const before = recallFrom(content?.requests ?? [], user.name);
  const home = before?.home ?? normalPath(split.home);
  const shell = shellFor(user, before?.shell, request);
  if (!isLocalUser(user.name))
    throw new DirectoryError({
      ...{ name: user.name, change: { home, shell } },
      ...{ before: [], after: [], leaves: true },
    });
  requireShell(shell, user, request);
  run.home = home;
  run.shell = shell;
  return () => {
    requireWritableAccounts();
    run.status = request.dryRun ? "planned" : "done";
    run.warn(`${display(jail)} is missing: it has nothing to move or to repair`);
    if (!request.dryRun) changeLogin(user, { home, shell, groups: [] }, run);
    const gets = `${quoted(user.name)} the home ${quoted(home)} and the shell ${quoted(shell)}`;
    run.done(request.dryRun ? `would give ${gets}` : `gave ${gets}`);
  };
}

function release(root: JailRoot, plan: Release, request: UnjailOptions, run: AccountRun): void {
  const { user, jailHome, home, shell, recorded } = plan;
  // Again: until it is where only root reaches it, others may move something into it.
  const examine = (fd: number) => {
    requireNoNeighbours(root, user, jailHome, { fd, whole: true });
    request.whenAlone?.(request.host, readLink(AT_FDCWD, `/proc/self/fd/${fd}`));
  };
  const to = { to: request.host, toPath: home };
  const move = plan.move ? { from: root, fromPath: jailHome, ...to, examine } : undefined;
  // Before anything is moved: fails if the jail cannot be written.
  withAccountsLock(root, () => undefined);
  const warn = (line: string) => {
    if (!run.warnings.includes(line)) run.warn(line);
  };
  const take = () => {
    const ends = home !== user.home || shell !== user.shell;
    takeSetIds(root, user, { ends, groups: request.lost, say: (line) => run.done(line), warn });
    if (move === undefined) request.whenAlone?.(root, jailHome);
  };
  // In the home, too: others may have opened a program there.
  take();
  // A session may begin while the home is copied.
  const again = move !== undefined && readJailAccounts(root).userByName(user.name) !== undefined;
  // First: if this run is interrupted after the account has changed, only the record names the jail.
  if (recorded === undefined) rememberAccount(root, { ...user, home, shell });
  try {
    changeAccount(user, { home, shell, groups: [] }, move, run, again ? take : undefined);
  } catch (error) {
    if (recorded === undefined) forgetAccount(root, user);
    throw error;
  }
  if (home === user.home) tellOfJailHome(root, plan, run);
  // Last: until the host's account has changed, logins go into the jail and need these lines.
  for (const { name } of takeLines(root, user))
    run.done(`removed ${quoted(name)} from ${quoted(hostPath(root, "/etc/passwd"))}`);
  forgetAccount(root, recorded ?? user);
}

/** Reports the copy of a home that an interrupted run left in the jail. */
function tellOfJailHome(root: JailRoot, { user, jailHome, home }: Release, run: AccountRun): void {
  const old = lookUp(root, jailHome)?.stat;
  if (old === undefined || !isDirectory(old) || old.uid !== user.uid) return;
  const now = statIfPresent(AT_FDCWD, home);
  if (now !== undefined && sameFile(old, now)) return;
  const where = quoted(hostPath(root, jailHome));
  run.warn(`${where} is still there, from before the home moved: compare it with ${quoted(home)}`);
}
