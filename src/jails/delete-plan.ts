import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import type { Usage } from "../../ffi/extents.ts";
import { type Stat, sameFile, statIfPresent } from "../../ffi/files.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { operands } from "../cli/shell-word.ts";
import { type JailedUser, jailedUsers } from "../jail/accounts/jailed-users.ts";
import { serviceUsers } from "../jail/accounts/service-users.ts";
import { undeletableDirectory } from "../jail/fs/host-directories.ts";
import { withTree } from "../jail/fs/look.ts";
import { isOneOf } from "../jail/fs/remove.ts";
import { exchangeFindings } from "../jail/fs/safety.ts";
import { type JailMount, jailMounts } from "../jail/fs/unmount.ts";
import { closeJailRoot, type JailRoot, openJailRoot } from "../jail/fs/walk.ts";
import { type KnownJail, knownJails, type ManifestEntry, openManifest } from "../jail/record/manifest.ts";
import { nearJail } from "../jail/record/named-jail.ts";
import { listProcesses } from "../processes/list.ts";
import { passwdByName } from "../system/accounts.ts";
import { addUp, collectInodes, newLedger } from "./disk.ts";
import { knownJailPaths } from "./jails.ts";
import { type Owner, ownerCounter, ownerName } from "./owners.ts";

/** What is asked for. */
export interface DeleteRequest {
  readonly jail: ByteString;
  /** Users are taken out, with their homes. */
  readonly unjail: boolean;
  /** What belongs to others than root is deleted with the rest. */
  readonly userFiles: boolean;
}

/** What deleting a jail means, before anything is done. */
export interface DeletePlan {
  readonly request: DeleteRequest;
  readonly jail: ByteString;
  /** The directory, as it was looked at; undefined: it is gone, and only what is known of it is forgotten. */
  readonly seen: Stat | undefined;
  /** The ids under which it is recorded. */
  readonly records: readonly ByteString[];
  /** Those of /etc/passwd, who can be taken out, and those of a name service, who cannot. */
  readonly users: readonly JailedUser[];
  readonly mounts: readonly JailMount[];
  readonly files: number;
  /** In bytes: what it takes, and what of it belongs to others than root. */
  readonly bytes: number;
  readonly userBytes: number;
  /** To whom things in it belong besides root and those who are taken out, what was put there so left out. */
  readonly owners: readonly Owner[];
}

/** A refusal, with exit status 1. */
export const refuse = (code: string, message: string) => new JailkitError(code, 1, message);

/**
 * Looks at a jail that is to be deleted. Throws JailkitError for what is no jail that is known, for one that users
 * live in (unless they are to be taken out), that processes run in, that holds another one, or files of others than
 * root (unless those are to go too).
 */
export function planDelete(request: DeleteRequest): DeletePlan {
  const { jail, unjail } = request;
  const known = knownJails();
  const allUsers = jailedUsers();
  const shown = display(jail);
  const seen = statIfPresent(AT_FDCWD, jail);
  const records = recordsOf(known, jail);
  const paths = knownJailPaths(allUsers);
  if (!paths.includes(jail) && records.length === 0) {
    const near = nearJail(jail, paths);
    const hint = near === undefined ? "" : `; did you mean ${display(near)}?`;
    throw refuse(
      "unknown-jail",
      `${shown}: is no jail that is known${hint}; 'jailkit list' shows those that are`,
    );
  }
  if (seen !== undefined) requireDeletable(jail, seen, paths);
  const users = allUsers.filter((user) => user.jail === jail);
  if (users.length > 0 && !unjail) {
    const names = users.map(({ name }) => display(name)).join(", ");
    const words = operands(...users.map(({ name }) => name));
    const message = `${shown}: users live in it (${names}): give --unjail, or take them out first: jk_jailuser --unjail -m ${words}`;
    throw refuse("has-users", message);
  }
  const plan = { request, jail, seen, records, users, mounts: [], owners: [] };
  if (seen === undefined) return { ...plan, files: 0, bytes: 0, userBytes: 0 };
  const { processes } = listProcesses({ jails: [jail], containers: true, parents: false });
  if (processes.length > 0) {
    const pids = processes.slice(0, 20).map(({ pid }) => pid);
    throw refuse("has-processes", `${shown}: processes run in it (${pids.join(" ")}): end them first`);
  }
  return withSeenJail(jail, seen, (root) => ({ ...plan, ...measure(root, plan, allUsers) }));
}

function requireDeletable(jail: ByteString, seen: Stat, paths: readonly ByteString[]): void {
  const shown = display(jail);
  const host = undeletableDirectory(seen);
  if (host !== undefined) {
    throw refuse("host-directory", `${shown}: is the host's ${host}, which is never deleted`);
  }
  const [finding] = withTree((tree) => exchangeFindings(tree, directoryOf(jail)));
  if (finding !== undefined) {
    const message = `${shown}: others could put another directory in its place meanwhile: ${finding.message}; mend it with: ${finding.remedy}`;
    throw refuse("unsafe-parent", message);
  }
  const inside = paths.find(
    (path) => path.startsWith(`${jail}/`) && statIfPresent(AT_FDCWD, path) !== undefined,
  );
  if (inside !== undefined)
    throw refuse("holds-a-jail", `${shown}: holds another jail, ${display(inside)}: delete that first`);
}

/** Records of that path, and of that directory where it was moved. */
function recordsOf(known: readonly KnownJail[], jail: ByteString): ByteString[] {
  const ids = new Set(known.filter((each) => each.jail.path === jail).map(({ id }) => id));
  try {
    const root = openJailRoot(jail);
    try {
      const { id } = openManifest(root);
      if (known.some((each) => each.id === id)) ids.add(id);
    } finally {
      closeJailRoot(root);
    }
  } catch (error) {
    // There is no such directory, or its record is damaged.
    if (!(error instanceof JailkitError) && !(error instanceof SystemError)) throw error;
  }
  return [...ids];
}

/** Opens the jail if it still is what was looked at. Throws JailkitError "exchanged". */
export function withSeenJail<T>(jail: ByteString, seen: Stat, use: (root: JailRoot) => T): T {
  const root = openJailRoot(jail);
  try {
    if (sameFile(root.top.stat, seen)) return use(root);
    throw refuse("exchanged", `${display(jail)}: is not the directory that it was; nothing of it is deleted`);
  } finally {
    closeJailRoot(root);
  }
}

/** Looks through the jail, and refuses where somebody would lose something. */
function measure(
  root: JailRoot,
  plan: Pick<DeletePlan, "request" | "users">,
  allUsers: readonly JailedUser[],
) {
  const { userFiles } = plan.request;
  const { inodes, owners, unread } = ownersIn(root, plan);
  const services = serviceUsers(
    root,
    allUsers,
    owners.map(({ uid }) => uid),
  );
  if (services.length > 0 && !userFiles) {
    const names = services.map(({ name }) => display(name)).join(", ");
    const message =
      `${display(root.path)}: users live in it whose accounts are not in /etc/passwd (${names}): ` +
      "change their homes where the accounts are kept, and take their files out, or give --user-files to delete these";
    throw refuse("has-users", message);
  }
  if (!userFiles) requireNobodyElse(root, owners, unread);
  const use = addUp(inodes, newLedger());
  return {
    users: [...plan.users, ...services],
    mounts: jailMounts(root.path),
    files: use.files,
    bytes: use.allocated,
    userBytes: use.users,
    owners,
  };
}

/** What is in the jail, and whose it is: root's, what the record gives to somebody, and homes that move out aside. */
function ownersIn(root: JailRoot, { users }: Pick<DeletePlan, "users">) {
  const entries = recordedEntries(root);
  const leaving = new Set(users.flatMap(({ name }) => passwdByName(name)?.uid ?? []));
  const counter = ownerCounter(
    (path, usage) => !leaving.has(usage.uid) && !isAsPut(entries.get(path), usage),
  );
  const { inodes, unread } = collectInodes(root, counter.add);
  return { inodes, owners: counter.owners(), unread };
}

/** Whether something is as it was put there: what the user to whom it was given has changed is that user's work. */
function isAsPut(entry: ManifestEntry | undefined, { uid, size, mtime }: Usage): boolean {
  if (entry?.uid !== uid) return false;
  return entry.type !== "file" || (entry.size === size && (entry.mtime ?? mtime) === mtime);
}

function recordedEntries(root: JailRoot): ReadonlyMap<ByteString, ManifestEntry> {
  try {
    return openManifest(root).content.entries;
  } catch (error) {
    // A damaged record: then nothing is known of it.
    if (error instanceof JailkitError || error instanceof SystemError) return new Map();
    throw error;
  }
}

function requireNobodyElse(root: JailRoot, owners: readonly Owner[], unread: number): void {
  const shown = display(root.path);
  const remedy = "take them out, or give --user-files to delete them";
  if (unread > 0) {
    const message = `${shown}: ${unread} things in it cannot be looked at, so nobody knows whose they are: ${remedy}`;
    throw refuse("user-files", message);
  }
  if (owners.length === 0) return;
  const each = owners
    .slice(0, 10)
    .map((owner) => `${ownerName(owner)}: ${owner.objects}, as ${display(root.path + owner.example)}`);
  const more = owners.length > 10 ? `; and ${owners.length - 10} others` : "";
  const message = `${shown}: holds files of others than root (${each.join("; ")}${more}): ${remedy}`;
  throw refuse("user-files", message);
}

/**
 * Looks again, when what was mounted in the jail is not any more and users were taken out: what lay below a mount, or
 * came meanwhile, may belong to somebody. Returns what may go: what was seen, and what is root's.
 */
export function requireStillDeletable(
  root: JailRoot,
  { request, users }: DeletePlan,
): (stat: Stat) => boolean {
  if (request.userFiles) return () => true;
  const { inodes, owners, unread } = ownersIn(root, {
    users: users.filter(({ fromService }) => !fromService),
  });
  requireNobodyElse(root, owners, unread);
  const seen = isOneOf([...inodes.values()].map(({ usage }) => usage));
  return (stat) => stat.uid === 0 || seen(stat);
}
