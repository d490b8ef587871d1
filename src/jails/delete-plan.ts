import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { type Stat, sameFile, statIfPresent } from "../../ffi/files.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import { answered, type JailkitError } from "../cli/error.ts";
import { composed, typed, withAdvice } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import { type JailedUser, jailedUsers, namesOf } from "../jail/accounts/jailed-users.ts";
import { isUnanswered, serviceUsers } from "../jail/accounts/service-users.ts";
import { withTree } from "../jail/fs/look.ts";
import { undeletableDirectory } from "../jail/fs/no-jails.ts";
import { exchangeFindings } from "../jail/fs/safety.ts";
import { jailMounts } from "../jail/fs/unmount.ts";
import { type JailRoot, openJailRoot } from "../jail/fs/walk.ts";
import { isEmptied, unmounted } from "../jail/record/emptied.ts";
import { type DamagedRecord, knownJails, openManifest } from "../jail/record/manifest.ts";
import { nearJail, requireNotMoved } from "../jail/record/named-jail.ts";
import { listProcesses } from "../processes/list.ts";
import { hostAccounts } from "../system/host-accounts.ts";
import { requireNoLines } from "../update/remove-extras.ts";
import { leaveCommand, shellsOutside } from "../users/leaving.ts";
import { shownPids } from "../users/sessions.ts";
import { requireNoOtherJail } from "./another-jail.ts";
import type { DeletePlan, DeleteRequest } from "./delete-request.ts";
import { addUp, newLedger } from "./disk.ts";
import { allKnownJails } from "./known.ts";
import { leftOnMounts } from "./others-mounts.ts";
import { ownersIn, refuse, requireNobodyElse, withUserFiles } from "./whose-files.ts";

/**
 * Examines a jail that should be deleted. Throws JailkitError if it is not a known jail, or was moved, if users live in it
 * (unless they are to be taken out), if processes run in it, or if it has another jail or files of users in it (unless requested).
 */
export function planDelete(request: DeleteRequest): DeletePlan {
  const { jail, unjail, leaving = [], others = [], first = "" } = request;
  const allUsers = jailedUsers();
  const { paths, damaged } = allKnownJails(allUsers);
  const shown = display(jail);
  const seen = statIfPresent(AT_FDCWD, jail);
  const records = recordsOf(jail, damaged);
  if (!paths.includes(jail) && records.length === 0) throw unknownJail(jail, paths);
  requireFileSystem(jail, seen);
  requireNotMoved(jail);
  if (seen !== undefined) requireDeletable(jail, seen, [...paths, ...others], allUsers);
  const left = namesOf(leaving);
  const users = allUsers.filter((user) => user.jail === jail && !left.has(user.name));
  if (users.length > 0 && !unjail) {
    const names = users.map(({ name }) => display(name)).join(", ");
    const leave = leaveCommand(users, shellsOutside(jail), { move: true });
    const message = `${shown}: users live in it (${names}): use: ${first}jailkit delete --unjail ${shellWord(jail)}; or take them out first: ${leave}`;
    // Of the two, what deletes nothing.
    throw refuse("has-users", message, composed(first + leave));
  }
  requireNoLines(jail);
  const plan = { request, jail, seen, records, users, mounts: [], leftOnMounts: [], owners: [] };
  if (seen === undefined) return { ...plan, files: 0, bytes: 0, userBytes: 0 };
  const { processes } = listProcesses({
    jails: [jail],
    containers: true,
    parents: false,
    confinement: false,
  });
  if (processes.length > 0) {
    const pids = processes.map(({ pid }) => pid);
    throw refuse("has-processes", `${shown}: processes run in it (${shownPids(pids)}): end them first`);
  }
  return withSeenJail(jail, seen, (root) => ({ ...plan, ...measure(root, plan, allUsers) }));
}

/** The error for a jail that is none of the known `paths`. */
export function unknownJail(jail: ByteString, paths: readonly ByteString[]): JailkitError {
  const near = nearJail(jail, paths);
  const hint = near === undefined ? "" : `; did you mean ${display(near)}?`;
  return refuse("unknown-jail", `${display(jail)}: is not a known jail${hint} (see 'jailkit list')`);
}

/** Throws JailkitError if the contents of the jail, and the homes, are on a file system that is not mounted. */
function requireFileSystem(jail: ByteString, seen: Stat | undefined): void {
  const elsewhere = unmounted(jail);
  if (elsewhere === undefined) return;
  const { message, remedy } = elsewhere;
  const isHere = answered(() => {
    using root = openJailRoot(jail);
    return !isEmptied(root, openManifest(root).content);
  });
  if (seen !== undefined && isHere !== false) return;
  const gone = remedy === undefined ? "" : "; if it no longer exists, take its line out of /etc/fstab first";
  throw refuse("not-mounted", `${display(jail)}: ${message}${gone}`, remedy);
}

function requireDeletable(
  jail: ByteString,
  seen: Stat,
  paths: readonly ByteString[],
  allUsers: readonly JailedUser[],
): void {
  const shown = display(jail);
  const host = undeletableDirectory(seen);
  if (host !== undefined) {
    throw refuse("host-directory", `${shown}: is the host's ${host}, which is never deleted`);
  }
  const [finding] = withTree((tree) => exchangeFindings(tree, directoryOf(jail), { path: jail, stat: seen }));
  if (finding !== undefined) {
    const message = `${shown}: users other than root could replace it meanwhile: ${withAdvice(finding.message, finding.advice)}`;
    throw refuse("unsafe-parent", message, typed(finding.advice));
  }
  requireNoOtherJail(jail, paths, allUsers);
}

/** The ids of the records of a path, those that are damaged too, and of that directory if it was moved. */
export function recordsOf(jail: ByteString, damaged: readonly DamagedRecord[]): ByteString[] {
  const known = knownJails();
  const unreadable = damaged.filter(({ error }) => error.jail === jail);
  const ids = new Set(
    [...known.filter((each) => each.jail.path === jail), ...unreadable].map(({ id }) => id),
  );
  // Undefined if the directory is missing, or its record is damaged.
  const own = answered(() => {
    using root = openJailRoot(jail);
    return openManifest(root).id;
  });
  if (own !== undefined && known.some(({ id }) => id === own)) ids.add(own);
  return [...ids];
}

/** Opens the jail if it is still the directory that was examined. Throws JailkitError "exchanged". */
export function withSeenJail<T>(jail: ByteString, seen: Stat, use: (root: JailRoot) => T): T {
  using root = openJailRoot(jail);
  if (sameFile(root.top.stat, seen)) return use(root);
  throw refuse("exchanged", `${display(jail)}: was replaced by another directory; nothing was deleted`);
}

/** Examines the contents of the jail. Throws JailkitError if a user would lose files. */
function measure(
  root: JailRoot,
  plan: Pick<DeletePlan, "request" | "users">,
  allUsers: readonly JailedUser[],
) {
  const { userFiles, leaving = [] } = plan.request;
  const accounts = hostAccounts();
  const { inodes, owners, unread } = ownersIn(root, plan, accounts);
  const uids = owners.map(({ uid }) => uid);
  const left = namesOf(leaving);
  const services = servicesOrNone(root, plan.request, () =>
    serviceUsers(root, namesOf(allUsers), uids, accounts).users.filter(
      ({ name }) => !left.has(name) || uids.includes(accounts.userByName(name)?.uid ?? 0),
    ),
  );
  if (services.length > 0 && !userFiles) {
    const names = services.map(({ name }) => display(name)).join(", ");
    const shows = leaveCommand(services, shellsOutside(root.path), { move: false, dryRun: true });
    const message =
      `${display(root.path)}: users live in it whose accounts are not in /etc/passwd (${names}): ` +
      `change their homes where the accounts are kept (${shows} shows how), and ` +
      `take their files out, or delete these with: ${withUserFiles(plan.request)}`;
    throw refuse("has-users", message);
  }
  if (!userFiles) requireNobodyElse(plan.request, owners, unread);
  const { files, allocated: bytes, users: userBytes } = addUp(inodes, newLedger());
  const users = [...plan.users, ...services];
  return {
    users,
    mounts: jailMounts(root.path),
    leftOnMounts: leftOnMounts(root),
    files,
    bytes,
    userBytes,
    owners,
  };
}

/** The users of name services. Throws JailkitError if one does not answer, unless their files are deleted as well. */
function servicesOrNone(root: JailRoot, request: DeleteRequest, ask: () => JailedUser[]): JailedUser[] {
  try {
    return ask();
  } catch (error) {
    if (!isUnanswered(error)) throw error;
    if (request.userFiles) return [];
    const remedy = `then run this again, or use: ${withUserFiles(request)}`;
    throw refuse(error.code, `${display(root.path)}: users may live in it: ${error.message}; ${remedy}`);
  }
}
