import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, S_IFMT, S_IFREG, S_ISUID } from "../../ffi/constants.ts";
import type { Usage } from "../../ffi/extents.ts";
import { sameFile, statIfPresent } from "../../ffi/files.ts";
import { normalPath } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import { answered, JailkitError } from "../cli/error.ts";
import { allOf, type Remedy } from "../cli/remedy.ts";
import { operands } from "../cli/shell-word.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { jailedUsers } from "../jail/accounts/jailed-users.ts";
import { jailIdAt } from "../jail/fs/directory-id.ts";
import { isMounted } from "../jail/fs/live-mounts.ts";
import { isDirectory, type JailRoot, openJailRoot } from "../jail/fs/walk.ts";
import { movedFromBareTo } from "../jail/record/bare.ts";
import { declaredDirectories } from "../jail/record/declared-file.ts";
import { mountsOf } from "../jail/record/live.ts";
import { openManifest } from "../jail/record/manifest.ts";
import { ANEW, isRecorded } from "../jail/record/moved.ts";
import { followRemedy } from "../jail/record/named-jail.ts";
import { type KnownJail, knownJails, REGISTRY } from "../jail/record/registry.ts";
import { othersMounts } from "../jails/others-mounts.ts";
import { collectOwners, isAsPut, ownerName } from "../jails/owners.ts";
import { passwdByName } from "../system/accounts.ts";
import { adviceAt } from "../system/exchange.ts";
import { asideCommand } from "../system/free-name.ts";
import { usualSkeleton } from "../system/login-defs.ts";
import { below } from "../system/mountinfo.ts";
import { mountIn, otherThing } from "./other-things.ts";

// Who has thousands of files there has put them there.
const MOST_FILES = 1000;
const KEYS = ["/.ssh", "/.ssh/authorized_keys"];

/** The error of a move to a directory that has what is recorded of a jail, if another one is at the old path. As remade. */
export function remadeError(record: KnownJail, to: ByteString): JailkitError | undefined {
  const found = remade(record, to) ?? bare(record.jail.path, to);
  if (found === undefined) return undefined;
  const message = `${display(record.jail.path)}: still exists, so it was not moved; ${found.message}`;
  return new JailkitError("not-moved", 1, message, undefined, found.remedy);
}

/** As remade, of a directory that is declared instead, while users whose lines are in both are at the old path. */
export const remadeFor = (from: ByteString, to: ByteString): ReturnType<typeof remade> =>
  answered(() => {
    const record = knownJails().find(({ jail }) => jail.path === from);
    const found = record && remade(record, to);
    if (found !== undefined) return haveSameUser(from, to) ? found : undefined;
    return record !== undefined && haveUserOf(from, to) ? bare(from, to) : undefined;
  });

/** The same where another directory is at the old path, with nothing of what is recorded. */
function bare(from: ByteString, to: ByteString): ReturnType<typeof remade> {
  const way = movedFromBareTo(from, to);
  if (way === undefined) return undefined;
  const what = `${quoted(to)} has what is recorded of it, and the directory that is there now has nothing of that`;
  return { message: `${what}: ${way.text}`, remedy: way.remedy };
}

/**
 * What a directory is that has what is recorded of a jail, where another one is at the path of that: where a jail was moved
 * and nothing had followed it yet, `jailkit apply` makes it anew. That is moved away, and stays. Only if nobody has put anything there
 * is this a remedy, which a program may type. Undefined for what may be anything else.
 */
function remade(
  record: KnownJail,
  to: ByteString,
): { readonly message: string; readonly remedy: Remedy | undefined } | undefined {
  const { path } = record.jail;
  if (!isOld(record, to)) return undefined;
  const seen = answered(() => {
    using root = openJailRoot(path);
    const put = mountIn(path, othersMounts(root)[0]?.path ?? "/proc") ?? whatWasPut(root);
    const isLive = mountsOf(openManifest(root).content).some((directory) => isMounted(root, directory));
    return { put, unmount: isLive ? ([`jailkit unmount ${operands(path)}`] as const) : [] };
  });
  const { put, unmount } = seen ?? { put: "it cannot be examined", unmount: [] };
  // Nobody looks after it there: a program in it, put there even now, would be that of whoever gets the uid of its owner later.
  const close: Remedy = `chmod 0700 ${operands(path)}`;
  const commands = [...unmount, close, asideCommand(path, ANEW), followRemedy(path, to)];
  const { advice, remedy } = adviceAt(path, allOf(commands));
  const what = `${quoted(to)} has what is recorded of it, as if 'jailkit apply' had made the jail anew after it was moved`;
  const end = `move that away, where all of it stays, and let everything follow: ${advice}`;
  if (put !== undefined)
    return { message: `${what}; look into the new one first (${put}); then ${end}`, remedy: undefined };
  return { message: `${what}; nobody has put files into the new one: ${end}`, remedy };
}

/** True if a user other than root has a line in both jails, with the same uid. */
function haveSameUser(...jails: readonly ByteString[]): boolean {
  const [lines = [], others = []] = jails.map((jail) => {
    using root = openJailRoot(jail);
    return readJailAccounts(root).users.flatMap(({ name, uid }) => (uid === 0 ? [] : `${name}:${uid}`));
  });
  return lines.some((line) => others.includes(line));
}

/** True if an account in the jail at a path has a line in another one, with the same uid. */
function haveUserOf(from: ByteString, to: ByteString): boolean {
  using root = openJailRoot(to);
  const lines = readJailAccounts(root).users.map(({ name, uid }) => `${name}:${uid}`);
  const there = jailedUsers().filter(({ jail }) => jail === from);
  return there.some(({ name }) => lines.includes(`${name}:${passwdByName(name)?.uid}`));
}

/** True for another directory than the one of a record that may be the jail of before: no jail that is known is there. */
function isOld(record: KnownJail, to: ByteString): boolean {
  const { path } = record.jail;
  const [here, there] = [statIfPresent(AT_FDCWD, path), statIfPresent(AT_FDCWD, to)];
  if (here === undefined || there === undefined || sameFile(here, there)) return false;
  if (jailedUsers().some(({ jail }) => jail === to)) return false;
  // Another jail has come to its path: that one is not new.
  const id = jailIdAt(path);
  if (id !== undefined && declaredDirectories().some((one) => one.path !== path && one.directoryId === id))
    return false;
  return isRecorded(path, record) && isRecorded(to, record, REGISTRY, false);
}

/** What somebody has put into a jail besides what is put into a new one, printable; undefined if that is nothing. */
function whatWasPut(root: JailRoot): string | undefined {
  const { entries } = openManifest(root).content;
  const homes = readJailAccounts(root).users.flatMap(({ uid, home }) =>
    uid === 0 ? [] : [normalPath(home)],
  );
  const skeleton = usualSkeleton();
  const isNew = (path: ByteString, usage: Usage) =>
    isHarmless(usage) &&
    (isAsPut(entries.get(path), usage) || homes.some((home) => isOfNewHome(path, usage, home, skeleton)));
  const { owners, unread } = collectOwners(root, (path, usage) => !isNew(path, usage), MOST_FILES);
  if (unread > 0) return `${unread} files in it cannot be examined`;
  const [owner] = owners;
  if (owner !== undefined)
    return `files of ${ownerName(owner)}, such as ${quoted(root.path + owner.example)}`;
  const other = otherThing(root, homes);
  return other && `such as ${quoted(`${root.path}/${other}`)}`;
}

/** True for a directory, or a file that is no program: what is moved away would be that of whoever gets the uid later. */
const isHarmless = ({ mode }: Usage): boolean =>
  isDirectory({ mode }) ? (mode & S_ISUID) === 0 : (mode & (S_IFMT | 0o7111)) === S_IFREG;

/** True for what a new home has: its keys, and what the skeleton directory has. */
function isOfNewHome(path: ByteString, usage: Usage, home: ByteString, skeleton: ByteString): boolean {
  const name = below(path, home);
  if (name === undefined) return false;
  if (path === home || KEYS.some((key) => path === home + key)) return true;
  const like = statIfPresent(AT_FDCWD, skeleton + path.slice(home.length));
  if (like === undefined || isDirectory(like) !== isDirectory(usage)) return false;
  return isDirectory(usage) || like.size === usage.size;
}
