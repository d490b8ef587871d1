import type { ByteString } from "../../ffi/bytes.ts";
import { entriesOf, type Stat } from "../../ffi/files.ts";
import { quoted } from "../cli/display.ts";
import type { Remedy } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import { hostSystemOf, isWholeFileSystem } from "../jail/fs/host-mounts.ts";
import { lookUp } from "../jail/fs/look.ts";
import { hostPath, isDirectory, type JailRoot, joinPath, withDirectory } from "../jail/fs/walk.ts";
import { removeTree, setAttributes } from "../jail/fs/write.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { adviceAt, onlyRootWrites } from "../system/exchange.ts";
import { hostText } from "../system/host-files.ts";
import { mountsText, mountTypes, unmountForGood } from "../system/mounts.ts";

// Where a file system is mounted, mv(1) moves nothing, and no new home can appear by a rename.

/** Names that mkfs(8) makes in a file system. */
const OF_MKFS = ["lost+found"];

/** True for the top of a file system that is mounted at a home, if it is root's and has no files yet. */
function isNew(root: JailRoot, home: ByteString, stat: Stat | undefined): stat is Stat {
  if (stat === undefined || stat.uid !== 0 || !isDirectory(stat)) return false;
  return withDirectory(root, home, ({ fd, mount }) => {
    // An empty directory of the host, such as /opt or /var/empty, is no home.
    if (mount.path !== home || !isWholeFileSystem(mount) || hostSystemOf(root, mount) !== undefined)
      return false;
    return entriesOf(fd, OF_MKFS.length + 1).every(({ name }) => OF_MKFS.includes(name));
  });
}

/**
 * The top of a file system that is mounted at a home, as the jail sees it, and that an account gets as its new home: root alone
 * could have written it, and it has no files. Undefined for anything else.
 */
export function newMount(root: JailRoot, home: ByteString): Stat | undefined {
  const stat = lookUp(root, home)?.stat;
  return isNew(root, home, stat) && onlyRootWrites(stat) ? stat : undefined;
}

/** Gives it, if there is one, to an account as a new home. Throws JailkitError if it is another one by now, and SystemError. */
export function giveMount(
  root: JailRoot,
  home: ByteString,
  { uid, gid }: PasswdEntry,
  seen: Stat | undefined,
): void {
  if (seen !== undefined) setAttributes(root, home, { uid, gid, mode: 0o700 }, seen);
}

/** Makes it as it was, of an account that was not created after all: with nothing in it but what mkfs(8) makes. */
export function takeMountBack(root: JailRoot, home: ByteString, seen: Stat): void {
  setAttributes(root, home, { uid: seen.uid, gid: seen.gid, mode: seen.mode & 0o7777 }, seen);
  for (const { name } of withDirectory(root, home, ({ fd }) => entriesOf(fd))) {
    const found = OF_MKFS.includes(name) ? undefined : lookUp(root, joinPath(home, name));
    if (found !== undefined) removeTree(root, joinPath(home, name), found.stat);
  }
}

interface Advised {
  readonly advice: string;
  readonly remedy: Remedy | undefined;
}

/** How a file system that is mounted at a home leaves it; undefined if none is. */
export function unmountAt(root: JailRoot, home: ByteString): Advised | undefined {
  const place = hostPath(root, home);
  if (!mountTypes(mountsText()).has(place)) return undefined;
  return adviceAt(place, unmountForGood([place], hostText("/etc/fstab") ?? ""));
}

/** What to do about one that is not that of the account, and which command; undefined if none is mounted there. */
export function inPlaceOfMount(root: JailRoot, home: ByteString): Advised | undefined {
  const place = hostPath(root, home);
  const unmount = unmountAt(root, home);
  if (unmount === undefined) return undefined;
  if (isNew(root, home, lookUp(root, home)?.stat)) {
    // Then it is looked at again: until now, others could put files there.
    const { advice, remedy } = adviceAt(place, `chmod go-w ${shellWord(place)}`);
    return {
      advice: `the file system that is mounted there is empty: let root alone write it: ${advice}`,
      remedy,
    };
  }
  const { advice, remedy } = unmount;
  const give = `give the user ${quoted(place)} and what is in it`;
  return { advice: `a file system is mounted there: ${give}, or unmount it: ${advice}`, remedy };
}
