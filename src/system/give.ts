import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, S_IFDIR, S_IFMT, S_IFREG, S_ISVTX } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { type Stat, statIfPresent } from "../../ffi/files.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { answered } from "../cli/error.ts";
import { octal } from "../cli/octal.ts";
import { allOf, type Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { onlyRootExchanges } from "./exchange.ts";
import { hostGroup } from "./name-services.ts";

// In a sticky directory that others can write, the kernel does not follow a link of somebody else, nor open a FIFO, or a file to
// create it, unless it is of the owner of the directory (fs.protected_symlinks and others in proc(5)): what nobody has any more must
// not become the owner's there as it is.

/** True for a directory of root in which the kernel protects users from each other. */
export const isProtected = ({ uid, mode }: Pick<Stat, "uid" | "mode">): boolean =>
  uid === 0 && (mode & S_ISVTX) !== 0 && (mode & 0o022) !== 0;

/** True for what others are protected from there: others may write into it, or it is no file or directory. */
export const protectsFrom = (stat: Stat | undefined): boolean => {
  const type = (stat?.mode ?? S_IFDIR) & S_IFMT;
  return type === S_IFREG ? ((stat?.mode ?? 0) & 0o022) !== 0 : type !== S_IFDIR;
};

/**
 * The command that gives a file of an account that is no more, and all that it has below, to root: a user may have moved a
 * file there that only that account could read, and a group may read what it gets. Files of others there stay theirs, also
 * those with another name elsewhere; no symbolic link is followed. A group that is no more is given away, too, since a new
 * account may get its number. What others are protected from in a sticky directory is deleted, or closed to them. Undefined if users
 * could lead the path elsewhere meanwhile.
 */
export function giveCommand(path: ByteString, uid: number): Remedy | undefined {
  if (!onlyRootExchanges(directoryOf(path))) return undefined;
  const stat = attempt(() => statIfPresent(AT_FDCWD, path));
  if (stat?.uid !== uid) return undefined;
  const word = shellWord(path);
  const above = attempt(() => statIfPresent(AT_FDCWD, directoryOf(path)));
  const isShared = above !== undefined && isProtected(above) && protectsFrom(stat);
  const isFile = (stat.mode & S_IFMT) === S_IFREG;
  if (isShared && !isFile) return `find ${word} -uid ${uid} ! -type f ! -type d -delete`;
  // A name service that does not answer may know it.
  const found = answered(() => ({ group: hostGroup(stat.gid) }));
  const owner = found !== undefined && found.group === undefined ? "root:root" : "root";
  const give: Remedy = `chown -hR --from=+${uid} ${owner} ${word}`;
  // Afterwards nobody else can put a link in its place.
  return isShared ? allOf([give, `find ${word} -uid 0 -type f -exec chmod go-w {} +`]) : give;
}

/**
 * The command that gives to root all that has a uid at some paths, and below, as giveCommand. `shared`: the directories among them, or
 * below, where others are protected from something that has the uid (protectsFrom). Undefined as with giveCommand.
 */
export function giveAllCommand(
  paths: readonly ByteString[],
  uid: number,
  shared: readonly ByteString[],
): Remedy | undefined {
  if (!paths.every((path) => onlyRootExchanges(directoryOf(path)))) return undefined;
  const closed = shared.map((path) => closeIn(path, uid));
  return allOf([...closed, `chown -hR --from=+${uid} root ${operands(...paths)}`]);
}

/** While nobody else can put a link into the directory, what has the uid there is closed to others, or goes. */
function closeIn(directory: ByteString, uid: number): Remedy {
  const stat = attempt(() => statIfPresent(AT_FDCWD, directory));
  if (stat === undefined || !isProtected(stat) || !onlyRootExchanges(directory)) return "";
  const word = shellWord(directory);
  const mode = stat.mode & 0o7777;
  return allOf([
    `chmod go-w ${word}`,
    `find ${word} -maxdepth 1 -uid ${uid} -type f -exec chmod go-w {} + -o -uid ${uid} ! -type d -delete`,
    `chmod ${octal(mode)} ${word}`,
  ]);
}
