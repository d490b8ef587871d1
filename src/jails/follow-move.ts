import { type ByteString, toBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { close, openIfPresent } from "../../ffi/files.ts";
import { normalPath } from "../../ffi/paths.ts";
import type { CheckProblem } from "../check/rules.ts";
import { display, quoted } from "../cli/display.ts";
import { errorOf, JailkitError, problemFrom } from "../cli/error.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import { typed, withAdvice } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import { jailedUsers, namesOf } from "../jail/accounts/jailed-users.ts";
import { knownServiceUsers } from "../jail/accounts/service-users.ts";
import { followLeft, isNoted } from "../jail/fs/home-note.ts";
import { attributesAt, lookUp } from "../jail/fs/look.ts";
import { configDirectoryFindings } from "../jail/fs/safety.ts";
import { mountRemedy, unmountedReason } from "../jail/fs/unmounted.ts";
import { type JailRoot, openJailRoot, openTree } from "../jail/fs/walk.ts";
import { requireReplaceable } from "../jail/fs/writable.ts";
import { putFile, removePath } from "../jail/fs/write.ts";
import { requireInPlace } from "../jail/record/displaced.ts";
import { withHostAccounts } from "../jail/record/jail-lock.ts";
import { type KnownJail, knownJails, openManifest, saveManifest } from "../jail/record/manifest.ts";
import { isRecorded } from "../jail/record/moved.ts";
import { linkedJail } from "../jail/record/named-jail.ts";
import { foreseen } from "../populate/apply/foresee.ts";
import { logSocketPath, logSocketSections } from "../populate/apply/log-socket.ts";
import { requireNotShown } from "../populate/shown-place.ts";
import { modifyAccount } from "../system/account-tools.ts";
import { passwdByName } from "../system/accounts.ts";
import { adviceAt, onlyRootExchanges } from "../system/exchange.ts";
import { hostAccounts } from "../system/host-accounts.ts";
import { homeInJail, joinHome, splitHome } from "../system/separator.ts";
import { leaveCommand, shellsOutside } from "../users/leaving.ts";
import { searchMoved } from "./adopt-search.ts";
import { filesThatName, largestOf, type NamingFile } from "./moved-files.ts";

/** What must follow a jail to its new path. */
interface Move {
  from: ByteString;
  to: ByteString;
  /** The record of the jail at its old path. */
  record: KnownJail | undefined;
  /** The users who live in it. */
  users: readonly ByteString[];
  /** Those whom a directory has at the old path, and the homes that it should have. */
  directoryUsers: readonly { name: ByteString; home: ByteString }[];
  /** Why there may be more of these, printable. */
  moreUsers: string | undefined;
  /** Configuration files that name it, and their new text. */
  files: readonly NamingFile[];
}

/**
 * Finds what names a jail by its old path. Without `to`, a link of root's at the old path, or the inode in the record, identifies the directory. Throws
 * JailkitError if the old path still exists, other than by a link of root's to the new one, or if the new one is not the same jail.
 * `whyThere`: the error for a recorded jail at the old path, if it is known why that is there.
 */
export function planMove(
  from: ByteString,
  to: ByteString | undefined,
  whyThere: (record: KnownJail, to: ByteString) => JailkitError | undefined,
): Move {
  const old = normalPath(from);
  const known = knownJails();
  const record = known.find(({ jail }) => jail.path === old);
  const shown = display(old);
  const there = openIfPresent(AT_FDCWD, old, O_RDONLY | O_DIRECTORY);
  const linked = there === undefined ? undefined : linkedJail(old);
  const named = to === undefined ? linked : normalPath(to);
  if (there !== undefined) close(there);
  if (there !== undefined && (named === undefined || named !== linked))
    throw stillThere(old, linked, () => record && named && whyThere(record, named));
  const mount = mountRemedy(old);
  if (mount !== undefined)
    throw new JailkitError("not-mounted", 1, `${shown}: ${unmountedReason(mount)}`, undefined, mount);
  const search = named !== undefined || record === undefined ? undefined : searchMoved(record);
  const found = named ?? search?.found;
  const local = jailedUsers();
  const leaving = local.filter(({ jail }) => jail === old);
  const users = leaving.map(({ name }) => name);
  if (found === undefined) {
    const out = leaveCommand(leaving, shellsOutside(old), { move: false });
    const leave = out === "" ? "" : `; if it no longer exists: ${out}`;
    const places = search?.places.map(display).join(", ");
    const all = search?.cutOff === true ? " (not completely: there are too many directories)" : "";
    const where =
      search === undefined
        ? "there is no record of this jail, so it was not searched for"
        : `the jail was not found near its old path, near other jails, or in ${places}${all}; network file systems and directories that users could exchange were skipped`;
    const message = `${shown}: ${where}; give its new path: jailkit adopt --moved ${shellWord(old)} NEW${leave}`;
    throw new JailkitError("not-found", 1, message);
  }
  const place = normalPath(found);
  using root = openJailRoot(place);
  requireRoots(root, old);
  if (record !== undefined && !isRecorded(place, record)) {
    const isNamed = known.some(({ id, jail }) => jail.path === place && id !== record.id);
    const why = isNamed
      ? `another jail is recorded there; if that one is gone for good, forget it first: jailkit forget ${shellWord(place)}`
      : "it has another record, or does not have the recorded contents";
    const message = `${display(place)}: is not the jail that was at ${shown}: ${why}`;
    throw new JailkitError("another-jail", 1, message);
  }
  requireNotShown(place, undefined);
  const files = filesThatName(old, place);
  for (const file of files) requireReadable(file, old, place);
  const changed = [...files.map(({ path }) => path), ...(users.length === 0 ? [] : ["/etc/passwd"])];
  const closed = foreseen(place, "file", () => changed.forEach(requireReplaceable));
  if (closed !== undefined) throw errorOf(closed);
  const services = knownServiceUsers(root, namesOf(local), hostAccounts());
  const directoryUsers = services.elsewhere.flatMap(({ name, home, jail }) =>
    jail === old ? [{ name, home: joinHome(place, homeInJail(home)) }] : [],
  );
  return { from: old, to: place, record, users, directoryUsers, moreUsers: services.unknown, files };
}

/** The error for an old path that still exists. `linked`: where a link of root's leads that is there. Throws as requireInPlace. */
function stillThere(
  old: ByteString,
  linked: ByteString | undefined,
  explain: () => JailkitError | "" | undefined,
): JailkitError {
  const why = linked === undefined ? "still exists" : `leads through a symbolic link to ${display(linked)}`;
  const message = `${display(old)}: ${why}, so it was not moved`;
  const explained = linked === undefined && explain();
  if (explained) return explained;
  if (linked === undefined) requireInPlace(old);
  return new JailkitError("not-moved", 1, message);
}

/**
 * Throws JailkitError "not-moved" if nothing names a jail by its old path, which is mistyped then, or was followed already.
 * `isDeclared`: what was declared once names it. A link of root's to the new path does, too.
 */
export function requireNamed(
  { from, to, record, users, directoryUsers, moreUsers, files }: Move,
  isDeclared: boolean,
): void {
  const isNamed =
    record !== undefined || isDeclared || users.length + directoryUsers.length + files.length > 0;
  if (isNamed || linkedJail(from) !== undefined || isNoted(from)) return;
  const what = "no record, account, declaration or other file of the configuration names it";
  const unknown =
    moreUsers === undefined ? "" : `; accounts of a directory may, which is not known: ${moreUsers}`;
  const message = `${display(from)}: ${what}, so nothing was changed for ${display(to)}${unknown}; 'jailkit list' shows the jails that are missing`;
  throw new JailkitError("not-moved", 1, message);
}

/** Throws JailkitError "config-write" if an ini file would name another path than the new one: a part of it, or two. */
function requireReadable({ path, text }: NamingFile, old: ByteString, place: ByteString): void {
  if (!path.startsWith(`${CONFIG_DIRECTORY}/`)) return;
  const isCut = (line: ByteString) =>
    line.includes(place) && (line.startsWith("[") ? place.includes("]") : /,|[\t-\r ]$/.test(place));
  if (!/[\n\r]/.test(place) && !text.split("\n").some(isCut)) return;
  const why = `${quoted(path)} names it, and would be read as something else with ',', ']' or blanks at the end in the path`;
  const message = `${display(place)}: nothing is changed: ${why}; move the jail to another path, and then type: jailkit adopt --moved ${shellWord(old)} NEW`;
  throw new JailkitError("config-write", 1, message);
}

/** Throws JailkitError if users could put a directory of their own at the old path, before root moved it, and it is one. */
function requireRoots({ path: place, top }: JailRoot, old: ByteString): void {
  const { uid } = top.stat;
  if (uid === 0 || onlyRootExchanges(old)) return;
  const why = `belongs to uid ${uid}, not to root, so it may be another directory than the jail`;
  const { advice, remedy } = adviceAt(place, `chown -h root ${shellWord(place)}`);
  const message = `${display(place)}: ${why}; check its contents, and then type: ${advice}`;
  throw new JailkitError("another-jail", 1, message, undefined, remedy);
}

interface Told {
  /** Gets a line for each change. */
  readonly done: (line: string) => void;
  readonly failed: (problem: CheckProblem) => void;
}

function attempt(
  { done, failed }: Told,
  what: ProblemCode,
  path: ByteString,
  step: () => string | undefined,
) {
  try {
    const line = step();
    if (line !== undefined) done(line);
  } catch (error) {
    failed(problemFrom(error, what, path));
  }
}

/** Changes the accounts and the configuration of a jail that was moved. What fails keeps nothing else from being changed. */
export function followMove(move: Move, told: Told): void {
  attempt(told, "record", move.to, () => {
    followLeft(move.from, move.to);
    return undefined;
  });
  for (const name of move.users) attempt(told, "account", "/etc/passwd", () => moveAccount(name, move));
  const unsafe = configDirectoryFindings(CONFIG_DIRECTORY).find(({ tolerated }) => !tolerated);
  for (const file of move.files) {
    attempt(told, "file", file.path, () => {
      if (unsafe !== undefined && file.path.startsWith(`${CONFIG_DIRECTORY}/`))
        throw new JailkitError(
          "config-unsafe",
          1,
          withAdvice(unsafe.message, unsafe.advice),
          undefined,
          typed(unsafe.advice),
        );
      return moveFile(file, move);
    });
  }
}

/**
 * Changes the record, last of all: as long as it has the old path, everything knows that the jail was moved, and which command
 * continues after a run that was killed, or that could not change something.
 */
export const followRecord = (move: Move, told: Told): void =>
  attempt(told, "record", move.to, () => moveRecord(move));

function moveRecord({ to, record }: Move): string | undefined {
  using root = openJailRoot(to);
  const manifest = openManifest(root, { from: record });
  if (manifest.content.requests.length + manifest.content.entries.size === 0) return undefined;
  saveManifest(manifest);
  return `the record of the jail names ${quoted(to)}`;
}

function moveAccount(name: ByteString, { to }: Move): string | undefined {
  const user = passwdByName(name);
  const split = user === undefined ? undefined : splitHome(user.home);
  if (user === undefined || split === undefined) return undefined;
  const home = joinHome(to, split.home);
  // Connections to sshd(8) go on: a session that one begins with the old home has the same shell and groups, and jk_chrootsh looks
  // the account up again. The directories of running processes have moved along.
  withHostAccounts(() => modifyAccount(user, { home, shell: user.shell, groups: [] }));
  return `the account ${quoted(name)} has the home ${quoted(home)}`;
}

/** Where a file belongs: the drop-in of jk_init is named after the jail, and jailkit delete finds it by that name. */
function placeOf(path: ByteString, from: ByteString, to: ByteString): ByteString {
  const name = (jail: ByteString) => CONFIG_DIRECTORY + logSocketPath(jail);
  // Whatever its limits. One with other sections, too, is of the administrator.
  if (path !== name(from) || !logSocketSections(from).isOurs) return path;
  return logSocketSections(to).foreign === undefined ? name(to) : path;
}

function moveFile({ path, text }: NamingFile, { from, to }: Move): string {
  using tree = openTree("/");
  const place = placeOf(path, from, to);
  const attributes = attributesAt(tree, path) ?? { mode: 0o644, uid: 0, gid: 0 };
  putFile(tree, place, toBytes(text), attributes, { replace: true, most: largestOf(place) });
  const left = place === path ? undefined : lookUp(tree, path);
  if (left !== undefined) removePath(tree, path, left.stat);
  return `${display(place)} names ${quoted(to)} instead of ${quoted(from)}`;
}
