import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { S_IFLNK, S_IFMT, S_ISVTX } from "../../../ffi/constants.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { writersOf } from "../../system/acl.ts";
import { type FileSystem, isSymlink, tidy } from "../file-system.ts";

// path_resolution(7)
const MOST_LINKS = 40;

/** Who may change a directory of the host, or a directory on the way to it; likewise a file. */
export interface Ground {
  /** Somebody else than root decides what stands there under a name. */
  readonly others: boolean;
  /** The way there is a link that somebody else than root may have made, so that it is not known where "there" is. */
  readonly link: boolean;
  /** The directory; undefined where nothing stands there. */
  readonly stat: BasicStat | undefined;
}

interface Place extends Ground {
  /** The path without links. */
  readonly real: ByteString;
  /** Others may write there, and cannot take away what is root's. */
  readonly sticky: boolean;
}

/**
 * True where others than root can change a file, or the names in a directory. `stat` is that of `path`, or, with
 * `follow`, of what it leads to.
 */
export function othersCanWrite(host: FileSystem, path: ByteString, stat: BasicStat, follow = false): boolean {
  if (stat.uid !== 0 || (stat.mode & 0o002) !== 0) return true;
  if ((stat.mode & 0o020) === 0) return false;
  if (stat.gid !== 0) return true;
  // Root's own group may: but the bits may be the mask of an ACL that lets others.
  const acl = host.acl(path, follow);
  return acl === "unknown" || writersOf(acl).length > 0;
}

/**
 * A look at who may change directories of the host, by absolute path; "" is the root. Links are followed where root
 * alone can have made them. It remembers what it has seen: what root alone can change, nobody else changes meanwhile.
 * Throws JailkitError "link-loop".
 */
export function createGrounds(host: FileSystem): (directory: ByteString) => Ground {
  const known = new Map<ByteString, Place>();

  function child(above: Place, name: ByteString, links: number): Place {
    const real = `${above.real}/${name}`;
    const stat = host.lstat(real);
    if (stat !== undefined && isSymlink(stat.mode)) {
      if (above.others) return { ...above, link: true };
      if (links >= MOST_LINKS) {
        throw new JailkitError("link-loop", 1, `${quoted(real)}: too many symbolic links`);
      }
      const target = host.readlink(real);
      return at(tidy(target.startsWith("/") ? target : `${above.real}/${target}`), links + 1);
    }
    const inherited = above.others && !(above.sticky && stat?.uid === 0);
    const own = stat !== undefined && othersCanWrite(host, real, stat);
    const sticky = !inherited && stat?.uid === 0 && (stat.mode & S_ISVTX) !== 0;
    return { real, others: inherited || own, sticky, link: false, stat };
  }

  function judge(path: ByteString, links: number): Place {
    if (path === "" || path === "/") {
      const stat = host.stat("/");
      const others = stat !== undefined && othersCanWrite(host, "/", stat);
      return { real: "", others, sticky: false, link: false, stat };
    }
    const above = at(parentOf(path), links);
    if (above.link) return above;
    const name = baseName(path);
    if (name !== "..") return child(above, name, links);
    const up = at(parentOf(above.real), links);
    return { ...up, others: above.others || up.others, sticky: false };
  }

  function at(path: ByteString, links: number): Place {
    const place = known.get(path) ?? judge(path, links);
    known.set(path, place);
    return place;
  }

  return (directory) => at(directory, 0);
}

/** True where others than root decide what is read at a path of the host, links followed, and where nothing stands. */
export function othersDecideContent(grounds: (directory: ByteString) => Ground, path: ByteString): boolean {
  const { others, stat } = grounds(path);
  return others || stat === undefined || grounds(parentOf(path)).others;
}

/** True where others than root can exchange or change what stands at a path of the host. */
export function othersCanChange(
  host: FileSystem,
  grounds: (directory: ByteString) => Ground,
  path: ByteString,
  stat: BasicStat,
): boolean {
  if (grounds(parentOf(path)).others) return true;
  // What a link says cannot be changed without the directory that it stands in.
  return (stat.mode & S_IFMT) !== S_IFLNK && othersCanWrite(host, path, stat);
}
