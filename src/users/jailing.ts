import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { sameFile, statIfPresent } from "../../ffi/files.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { allOf, composed, type Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { homeRemedy } from "../enter/remedies.ts";
import type { JailAccounts } from "../jail/accounts/accounts.ts";
import { lookUp } from "../jail/fs/look.ts";
import { requireMountedAt } from "../jail/fs/unmounted.ts";
import { hostPath, isDirectory, type JailRoot } from "../jail/fs/walk.ts";
import { requireWritable, requireWritableAccounts } from "../jail/fs/writable.ts";
import { isElsewhere } from "../jail/record/named-jail.ts";
import { supplementaryGroups } from "../system/account-tools.ts";
import { type Group, groupByGid, groupNamesOf, type PasswdEntry } from "../system/accounts.ts";
import { adviceAt, onlyRootExchanges } from "../system/exchange.ts";
import { type AccountFacts, askedFacts } from "../system/host-accounts.ts";
import { hostGroup } from "../system/name-services.ts";
import { jailOfHome, splitHome } from "../system/separator.ts";
import { type Access, type AccessPlan, planAccess, writeAccess } from "./access.ts";
import { forgetAccount, rememberAccount } from "./account-record.ts";
import type { AccountRun } from "./account-run.ts";
import type { Advice } from "./advice.ts";
import { applyJailing, requireSafeMove } from "./change-account.ts";
import { DirectoryError } from "./directory.ts";
import { planKeys } from "./keys.ts";
import { shellsOutside } from "./leaving.ts";
import { missingLine, missingPolicy } from "./login-needs.ts";
import { completeOwnMove } from "./move-aside.ts";
import { homeLeftOutside } from "./own-home.ts";
import { CHROOT_SHELL, changesNothing, type JailingPlan, planJailing } from "./plan.ts";
import { noGroup } from "./primary-group.ts";
import { type Seen, seenNow } from "./seen.ts";

export interface JailingOptions {
  /** The host's root: openTree("/"). */
  host: JailRoot;
  /** As it was written. */
  jail: ByteString | undefined;
  shell: ByteString | undefined;
  /** Groups, keys and services that the accounts get as well. */
  access: Access;
  move: boolean;
  dryRun: boolean;
  /** Throws JailkitError for an account that must get no line in the jail. */
  requireFit?: (user: PasswdEntry, root: JailRoot) => void;
  /** For a run on thousands of accounts; absent: the name services are asked for each. */
  facts?: AccountFacts;
  /** For plans of as many that are not carried out; absent: the jail is asked for each. */
  seen?: Seen;
  /** The names of groups that one who leaves was in until now. */
  readonly lost?: readonly ByteString[];
}

/** The account's groups, the primary one first. Throws JailkitError if that is none, or a name service does not answer. */
export function groupsOf(
  user: PasswdEntry,
  facts: Pick<AccountFacts, "groupByGid" | "groupsOf"> = { groupByGid, groupsOf: supplementaryGroups },
  inJail?: Pick<JailAccounts, "groupByGid">,
): Group[] {
  const primary = facts.groupByGid(user.gid) ?? hostGroup(user.gid);
  if (primary !== undefined)
    return [primary, ...facts.groupsOf(user).flatMap((gid) => facts.groupByGid(gid) ?? [])];
  const { code, message, remedy } = noGroup(user, inJail?.groupByGid(user.gid)?.name);
  throw new JailkitError(code, 1, message, undefined, remedy);
}

/**
 * Throws JailkitError if there is no home to move into a jail, which may not be there yet: with what jails the account without,
 * or creates one, or with the command that mounts it.
 */
export function requireHomeToMove(
  { user: { name, uid, gid }, jailHome }: Pick<JailingPlan, "user" | "jailHome">,
  from: ByteString,
  root: Pick<JailRoot, "path">,
  { shell, access }: Pick<JailingOptions, "shell" | "access">,
  { lostHome }: Advice,
): void {
  if (statIfPresent(AT_FDCWD, from) !== undefined) return;
  requireMountedAt(from);
  const place = hostPath(root, jailHome);
  const stat = statIfPresent(AT_FDCWD, place);
  // An account that was in the jail may have lost nothing but its home in passwd.
  const isThere = stat?.uid === uid && isDirectory(stat);
  const lost = `${quoted(from)}, the home of ${quoted(name)}, does not exist`;
  if (lostHome !== undefined && !isThere) {
    const { advice, remedy } = adviceAt(from, homeRemedy(from, uid, gid));
    throw new JailkitError("no-home", 1, `${lost}; ${lostHome}: ${advice}`, undefined, remedy);
  }
  const then = !isThere && onlyRootExchanges(place) ? homeRemedy(place, uid, gid) : "";
  const make = allOf([jailCommand(root.path, name, shell, access), then]);
  const how = isThere
    ? `, and ${quoted(place)} belongs to it: jail the account with that`
    : "; jail the account without it, and create one";
  throw new JailkitError("no-home", 1, `${lost}${how}: ${make}`, undefined, make);
}

/** Throws DirectoryError for an account that usermod(8) cannot change. */
function requireLocal(
  { user, home, joins, changeAccount }: JailingPlan,
  root: JailRoot,
  { shell, access, facts = askedFacts }: JailingOptions,
): void {
  const { name } = user;
  if (facts.isLocal(name)) return;
  const files = access.keys.length === 0 ? [] : ["FILE"];
  const options = optionsOf(shell, { ...access, joins: [] }, files);
  const words = ["jk_jailuser", "--jail-side-only", ...options, "-j", root.path].map(shellWord).join(" ");
  const before = [
    // Groups of this machine may have members from a directory.
    ...joins.map((group) => `gpasswd -a ${operands(name, group.name)}`),
    `${words} ${operands(name)}`,
  ];
  const change = changeAccount ? { home, shell: CHROOT_SHELL } : undefined;
  throw new DirectoryError({ name, change, before, after: [], leaves: false });
}

/** The options of jk_jailuser for the shell, groups, keys and services. */
function optionsOf(
  shell: ByteString | undefined,
  { joins, services }: Access,
  keyFiles: readonly ByteString[],
): ByteString[] {
  return [
    ...(shell === undefined ? [] : ["-s", shell]),
    ...(joins.length === 0 ? [] : ["-G", joins.map((group) => group.name).join(",")]),
    ...keyFiles.flatMap((file) => ["--authorized-key", file]),
    ...(services.length === 0 ? [] : ["--policy", services.map((one) => one.name).join(",")]),
  ];
}

/** The command that jails an account in the same way, without moving its home. Key files are not in `access`. */
export function jailCommand(
  jail: ByteString,
  name: ByteString,
  shell: ByteString | undefined,
  access: Access,
  keyFiles: readonly ByteString[] = [],
): Remedy {
  const words = ["jk_jailuser", "-n", ...optionsOf(shell, access, keyFiles), "-j", jail].map(shellWord);
  return composed([...words, operands(name)].join(" "));
}

/**
 * Decides how to jail an account; calling the result does it. Throws JailkitError if it cannot be jailed, or its home not
 * be moved.
 */
export function jailUser(
  user: PasswdEntry,
  root: JailRoot,
  options: JailingOptions,
  run: AccountRun,
): () => void {
  const { host, access, move, dryRun, facts, seen = seenNow(root) } = options;
  // Throws if the record is damaged, before anything is changed.
  const recorded = seen.recorded(user.name);
  const before = recorded?.home ?? splitHome(user.home)?.home;
  completeOwnMove(user, host, { root, recorded: () => before }, run, dryRun);
  const isDirectorys = !(facts ?? askedFacts).isLocal(user.name);
  const plan = planJailing({
    ...{ user, isDirectorys, hostGroup: (facts ?? askedFacts).groupByGid },
    groups: groupsOf(user, facts, seen.accounts),
    joins: access.joins,
    corrects: access.correctsGroups,
    jail: root.path,
    accounts: seen.accounts,
    shell: options.shell,
    move,
    isLost: isDirectorys && isElsewhere(jailOfHome(user.home) ?? "/"),
    left: homeLeftOutside(user, root),
    shellsIn: shellsOutside,
    processes: seen.processesOf(user.uid),
  });
  const { moveFrom, jailHome } = plan;
  if (plan.changeAccount || plan.joins.length > 0) requireLocal(plan, root, options);
  run.home = plan.home;
  run.shell = plan.shell;
  run.jailShell = plan.jailShell;
  run.moveFrom = moveFrom;
  if (moveFrom !== undefined) {
    requireHomeToMove(plan, moveFrom, root, options, run.advice);
    requireSafeMove({ from: host, fromPath: moveFrom, to: root, toPath: jailHome }, user);
  }
  const jailed = { root, user, home: jailHome };
  const keyPlace = moveFrom === undefined ? jailed : { root: host, user, home: moveFrom };
  const place = { root, name: user.name, home: jailHome, shell: plan.jailShell };
  const accessPlan = planAccess(place, access, (keys) => planKeys(keyPlace, keys));
  // A second jailing, after an edit by hand, keeps the record from before the first.
  const isFirst = plan.changeAccount && splitHome(user.home) === undefined;
  return () => {
    const unchanged = changesNothing(plan) && !accessPlan.changes;
    if (!unchanged) requireWritable(root, ["/etc"]);
    if (plan.changeAccount || plan.joins.length > 0) requireWritableAccounts();
    for (const note of plan.notes) run.done(note);
    warnOfShell(plan, root, options, run);
    run.status = dryRun ? "planned" : unchanged ? "unchanged" : "done";
    if (dryRun) describe(plan, accessPlan, run);
    else jail(plan, root, options, isFirst, run);
    const oldHome = isFirst ? user.home : recorded?.home;
    if (move && moveFrom === undefined) warnOfOldHome(root, plan, oldHome, run);
    if (dryRun) for (const line of accessPlan.warnings) run.warn(line);
    else writeAccess(jailed, access, run);
    // The administrator knows the accounts that are in the jail already.
    if (plan.changeAccount) warnOfPolicy(plan, root, access, run);
  };
}

/** As with jailkit 2, an account that is in the jail already keeps its shell there. A caller may take it for the new one. */
function warnOfShell(
  { user, jailShell }: JailingPlan,
  root: JailRoot,
  { shell }: JailingOptions,
  run: AccountRun,
): void {
  if (shell === undefined || shell === jailShell) return;
  const words = ["jk_jailuser", "--jail-side-only", "-s", shell, "-j", root.path].map(shellWord).join(" ");
  run.differs = true;
  run.warn(
    `${quoted(user.name)} keeps the shell ${quoted(jailShell)} in the jail; change it with: ${words} ${operands(user.name)}`,
  );
}

function jail(
  plan: JailingPlan,
  root: JailRoot,
  { host, shell }: JailingOptions,
  isFirst: boolean,
  run: AccountRun,
): void {
  // First, so that a run that is killed does not lose where the account came from.
  if (isFirst) rememberAccount(root, plan.user, shell);
  try {
    applyJailing(plan, root, host, run);
  } catch (error) {
    if (isFirst) forgetAccount(root, plan.user);
    throw error;
  }
}

/** Warns if the account can run nothing, because no section of jk_lsh.ini is for it. */
export function warnOfPolicy(
  { user, jailShell }: Pick<JailingPlan, "user" | "jailShell">,
  root: JailRoot,
  access: Access,
  run: AccountRun,
): void {
  const group = groupByGid(user.gid)?.name ?? "";
  const account = { root, name: user.name, group, groups: groupNamesOf(user), shell: jailShell, access };
  for (const missing of missingPolicy(account, run.advice)) run.warn(missingLine(missing));
}

/** An interrupted or refused move has left the original home. */
function warnOfOldHome(
  root: JailRoot,
  { user, home, jailHome }: JailingPlan,
  old: ByteString | undefined,
  run: AccountRun,
): void {
  const there = old === undefined ? undefined : statIfPresent(AT_FDCWD, old);
  const now = lookUp(root, jailHome)?.stat;
  if (old === undefined || there === undefined || now === undefined) return;
  if (!isDirectory(there) || there.uid !== user.uid || sameFile(there, now)) return;
  run.warn(`${quoted(old)} is still there, from before the home moved: compare it with ${quoted(home)}`);
}

function describe(plan: JailingPlan, access: AccessPlan, run: AccountRun): void {
  const name = quoted(plan.user.name);
  const would = (what: string) => run.done(`would ${what}`);
  if (plan.moveFrom !== undefined) would(`move ${quoted(plan.moveFrom)} to ${quoted(plan.home)}`);
  for (const group of plan.groups) {
    const { name: called, gid } = group;
    if (group.correct)
      would(`make the group ${quoted(called)} (gid ${gid}) in the jail's etc/group agree with the host`);
    if (group.create) would(`add the group ${quoted(group.name)} to the jail's etc/group`);
    if (group.addMember) would(`add ${name} to the group ${quoted(group.name)} in the jail`);
  }
  if (plan.entry !== undefined) would(`add ${name} to the jail's etc/passwd`);
  for (const group of plan.joins) would(`add ${name} to the group ${quoted(group.name)}`);
  if (plan.changeAccount)
    would(`give ${name} the home ${quoted(plan.home)} and the shell ${quoted(plan.shell)}`);
  for (const line of access.lines) run.done(line);
}
