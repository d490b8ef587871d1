import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { entriesOf, type Stat, statIfPresent } from "../../../ffi/files.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import { quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { type Advice, inWords, type Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { adviceAt, onlyRootWrites } from "../../system/exchange.ts";
import { hostText } from "../../system/host-files.ts";
import { mountsText, mountTypes, unmountForGood } from "../../system/mounts.ts";
import { hostSystemOf, isWholeFileSystem } from "./host-mounts.ts";
import { lookUp } from "./look.ts";
import { unmountedPlace } from "./unmounted.ts";
import { hostPath, isDirectory, isLink, type JailRoot, withDirectory } from "./walk.ts";

// Where a file system is mounted, mv(1) moves nothing, and no new home can appear by a rename. Nothing here writes: a login, too,
// says what helps.

/** Names that mkfs(8) makes in a file system. */
export const OF_MKFS = ["lost+found"];

/** True for the top of a file system that is mounted at a home, if it is root's and has no files yet, as far as that can be seen. */
function isNew(root: JailRoot, home: ByteString, stat: Stat | undefined): stat is Stat {
  if (stat === undefined || stat.uid !== 0 || !isDirectory(stat)) return false;
  const look = () =>
    withDirectory(root, home, ({ fd, mount }) => {
      // An empty directory of the host, such as /opt or /var/empty, is no home.
      if (mount.path !== home || !isWholeFileSystem(mount) || hostSystemOf(root, mount) !== undefined)
        return false;
      return entriesOf(fd, OF_MKFS.length + 1).every(({ name }) => OF_MKFS.includes(name));
    });
  return answered(look) ?? false;
}

/**
 * The top of a file system that is mounted at a home, as the jail sees it, and that an account gets as its new home: root alone
 * could have written it, and it has no files. Undefined for anything else.
 */
export function newMount(root: JailRoot, home: ByteString): Stat | undefined {
  const stat = lookUp(root, home)?.stat;
  return isNew(root, home, stat) && onlyRootWrites(stat) ? stat : undefined;
}

interface Advised {
  readonly advice: string;
  readonly remedy: Remedy | undefined;
}

/** How a file system that is mounted at a home leaves it; undefined if none is. */
export function unmountAt(root: JailRoot, home: ByteString): Advised | undefined {
  const place = hostPath(root, home);
  if (!mountTypes(mountsText()).has(place)) return undefined;
  return adviceAt(place, unmountForGood([place], answered(() => hostText("/etc/fstab")) ?? ""));
}

/** What is said of a home that is copied, where a file system is mounted at it, printable; undefined if none is. */
export function staysMounted(root: JailRoot, home: ByteString): string | undefined {
  const unmount = unmountAt(root, home);
  if (unmount === undefined) return undefined;
  const why = "since a file system is mounted there";
  return `${quoted(hostPath(root, home))} stays, with all that is in it, ${why}: ${unmount.advice}`;
}

/**
 * What to do in the place of a home about a symbolic link of root's that leads to a directory, on the host or in the jail: a new home
 * would leave there what the user has. Undefined for anything else.
 */
function inPlaceOfLink(root: JailRoot, home: ByteString): Advised | undefined {
  const stat = lookUp(root, home)?.stat;
  if (stat === undefined || stat.uid !== 0 || !isLink(stat)) return undefined;
  const inside = answered(() => lookUp(root, home, { follow: true }));
  const outside = attempt(() => statIfPresent(AT_FDCWD, hostPath(root, home), true));
  if (![inside?.stat, outside].some((one) => one !== undefined && isDirectory(one))) return undefined;
  return { advice: "put the directory to which it leads in its place, or mount it there", remedy: undefined };
}

/** What to do about a mount, or a link to a directory, in the place of a home that is not that of the account, and which command; undefined if there is none. */
export function inPlaceOfMount(root: JailRoot, home: ByteString): Advised | undefined {
  const link = inPlaceOfLink(root, home);
  if (link !== undefined) return link;
  const place = hostPath(root, home);
  const unmount = unmountAt(root, home);
  if (unmount === undefined) return undefined;
  const stat = lookUp(root, home)?.stat;
  if (isNew(root, home, stat)) {
    // Then it is looked at again: until now, others could put files there.
    const { advice, remedy } = adviceAt(place, `chmod go-w ${shellWord(place)}`);
    return {
      advice: `the file system that is mounted there is empty: let root alone write it: ${advice}`,
      remedy,
    };
  }
  const { advice, remedy } = unmount;
  if (stat !== undefined && !isDirectory(stat))
    return { advice: `a file is mounted there, and no directory: unmount it: ${advice}`, remedy };
  const give = `give the user ${quoted(place)} and what is in it`;
  return { advice: `a file system is mounted there: ${give}, or unmount it: ${advice}`, remedy };
}

/**
 * What helps in place of a command that makes a home, as the jail sees it, or changes it: the one that mounts it, if /etc/fstab
 * mounts something there that is not mounted, since the next mount would hide the change; unless it `isTheirs`, what
 * inPlaceOfMount says, or for one of newMount, which root may give away, `give`. Undefined for a home that is on no mount of its
 * own, also if that cannot be seen. `hiddenAt`: for many homes, as unmountedPlaces returns it.
 */
export function mountAdvice(
  root: JailRoot,
  home: ByteString,
  isTheirs: boolean,
  give: Advice,
  hiddenAt = unmountedPlace,
): Advice | undefined {
  return withRightsOf(undefined, () => {
    const hidden = hiddenAt(root, [home]);
    if (hidden !== undefined) return hidden.remedy;
    if (isTheirs) return undefined;
    return answered(() => {
      if (newMount(root, home) !== undefined) return give;
      const mount = inPlaceOfMount(root, home);
      // There are two ways, of which no command is the only one.
      return mount && inWords(mount.advice);
    });
  });
}
