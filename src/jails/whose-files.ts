import type { ByteString } from "../../ffi/bytes.ts";
import type { Usage } from "../../ffi/extents.ts";
import type { Stat } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { answered, JailkitError } from "../cli/error.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import { composed, type Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { leftCopiesIn } from "../jail/fs/home-moves.ts";
import { isHeldPath } from "../jail/fs/left.ts";
import { isOneOf } from "../jail/fs/remove.ts";
import { type JailRoot, openTree } from "../jail/fs/walk.ts";
import { type ManifestEntry, openManifest } from "../jail/record/manifest.ts";
import { hostAccounts } from "../system/host-accounts.ts";
import { below } from "../system/mountinfo.ts";
import type { DeletePlan, DeleteRequest } from "./delete-request.ts";
import { othersMounts } from "./others-mounts.ts";
import { collectOwners, isAsPut, type Owner, ownerName } from "./owners.ts";

// Whose files would go with a jail.

// A message names no more.
const MOST_OWNERS = 10;
// Of users who would lose their files: one is enough, and they may have made millions.
const MOST_FILES = 10_000;

/** An error with exit status 1. */
export const refuse = (code: ProblemCode, message: string, remedy?: Remedy) =>
  new JailkitError(code, 1, message, undefined, remedy);

/** The inodes of the jail, and the owners of files as in DeletePlan. */
export function ownersIn(
  root: JailRoot,
  { users, request }: Pick<DeletePlan, "users" | "request">,
  { userByName } = hostAccounts(),
) {
  // A damaged record counts as empty.
  const entries = answered(() => openManifest(root).content.entries) ?? new Map<ByteString, ManifestEntry>();
  const leaving = new Set(users.flatMap(({ name }) => userByName(name)?.uid ?? []));
  const { gone = [] } = request;
  const homes = (request.leaving ?? []).flatMap(({ home }) => home ?? []);
  const copies = leftCopiesIn(root.path); // They go first.
  // What somebody else has in a home without an account is nobody's to give up.
  const isGone = (path: ByteString, uid: number) =>
    homes.some((home) => below(path, home) !== undefined) ||
    copies.some((copy) => below(path, copy) !== undefined) ||
    gone.some((home) => uid === home.uid && below(path, home.path) !== undefined) ||
    answered(() => isHeldPath(root, path)) === true;
  const counts = (path: ByteString, usage: Usage) =>
    !leaving.has(usage.uid) && !isGone(path, usage.uid) && !isAsPut(entries.get(path), usage);
  const most = request.userFiles ? undefined : MOST_FILES;
  const collected = collectOwners(root, counts, most);
  // Of a file system that is nowhere else, the files go with the jail.
  const inMemory = othersMounts(root).filter(({ isOnlyHere }) => isOnlyHere);
  const theirs = inMemory.flatMap(({ path, place }) => {
    using tree = openTree(place);
    const { owners } = collectOwners(tree, (inner, usage) => counts(path + inner, usage), most);
    return owners.map((owner) => ({ ...owner, example: path + owner.example }));
  });
  return { ...collected, owners: [...collected.owners, ...theirs] };
}

/** The command that deletes files of users, too: for words, and no remedy, which a program may type. */
export const withUserFiles = ({
  jail,
  unjail,
  first = "",
}: Pick<DeleteRequest, "jail" | "unjail" | "first">) =>
  composed(`${first}jailkit delete${unjail ? " --unjail" : ""} --user-files ${shellWord(jail)}`);

/** Throws JailkitError "user-files" if somebody owns files, or that is not known of some. */
export function requireNobodyElse(request: DeleteRequest, owners: readonly Owner[], unread: number): void {
  // While users live in it, it is not forgotten.
  const remedy = request.unjail
    ? undefined
    : composed(`${request.first ?? ""}jailkit forget ${operands(request.jail)}`);
  const keep = remedy === undefined ? "" : `keep all of it as it is with: ${remedy}; `;
  const advice = `${keep}take them out, or delete them with: ${withUserFiles(request)}`;
  const refused = (what: string) =>
    refuse("user-files", `${display(request.jail)}: ${what}: ${advice}`, remedy);
  if (unread > 0) throw refused(`${unread} files in it cannot be examined, so their owners are unknown`);
  if (owners.length === 0) return;
  const each = owners
    .slice(0, MOST_OWNERS)
    .map((owner) => `${ownerName(owner)}: ${owner.objects}, as ${display(request.jail + owner.example)}`);
  const others = owners.length > MOST_OWNERS ? `; and ${owners.length - MOST_OWNERS} others` : "";
  const isMost = owners.reduce((sum, { objects }) => sum + objects, 0) >= MOST_FILES;
  const more = `${others}${isMost ? "; no more were counted" : ""}`;
  throw refused(`has files of users other than root (${each.join("; ")}${more})`);
}

/**
 * Examines the jail again after file systems were unmounted and users taken out: there may be new files, or files that a
 * mount covered. Returns a test for what may be deleted: files that were seen, and those of root.
 */
export function requireStillDeletable(
  root: JailRoot,
  { request, users }: DeletePlan,
): ((stat: Stat) => boolean) | undefined {
  if (request.userFiles) return undefined;
  const own = users.filter(({ fromService }) => !fromService);
  const { inodes, owners, unread } = ownersIn(root, { request, users: own });
  requireNobodyElse(request, owners, unread);
  const seen = isOneOf([...inodes.values()].map(({ usage }) => usage));
  return (stat) => stat.uid === 0 || seen(stat);
}
