import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { MOST_LINKS, S_IFLNK, S_IFMT, S_ISVTX } from "../../../ffi/constants.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { isLink } from "../../jail/fs/walk.ts";
import { writersOf } from "../../system/acl.ts";
import { type FileSystem, linkTarget } from "../file-system.ts";

/** Who can change a path of the host. */
interface PathTrust {
  /** Users other than root can change it, or the directory that it is in: for a directory, the names in it. */
  readonly others: boolean;
  /** A user other than root may have created a symbolic link on the way, so nothing else is known. */
  readonly link: boolean;
  /** The file or directory; undefined if it is missing. */
  readonly stat: BasicStat | undefined;
}

interface ResolvedTrust extends PathTrust {
  /** The path without symbolic links. */
  readonly real: ByteString;
  /** Others can write there, but cannot remove files of root. */
  readonly sticky: boolean;
}

/**
 * True if users other than root can change a file, or the names in a directory. `stat` is that of `path`, or, with
 * `follow`, of its target.
 */
export function othersCanWrite(host: FileSystem, path: ByteString, stat: BasicStat, follow = false): boolean {
  if (stat.uid !== 0 || (stat.mode & 0o002) !== 0) return true;
  if ((stat.mode & 0o020) === 0) return false;
  if (stat.gid !== 0) return true;
  // Group root may write; but these bits may be the mask of an ACL that allows others.
  const acl = host.acl(path, follow);
  return acl === "unknown" || writersOf(acl).length > 0;
}

/**
 * Finds who can change paths of the host. Follows symbolic links that only root can have created. Caches answers: a path
 * that only root can change does not change meanwhile.
 */
export class HostTrust {
  private readonly known = new Map<ByteString, ResolvedTrust>();

  constructor(private readonly host: FileSystem) {}

  /** Who can change an absolute path; "" is the root directory. Throws JailkitError "link-loop". */
  of(path: ByteString): PathTrust {
    return this.at(path, 0);
  }

  /** True if users other than root can change the names in the directory of a path. */
  othersName(path: ByteString): boolean {
    return this.of(parentOf(path)).others;
  }

  /** True if users other than root decide the content at a path, with symbolic links followed; also if it is missing. */
  othersDecideContent(path: ByteString): boolean {
    const { others, stat } = this.of(path);
    return others || stat === undefined || this.othersName(path);
  }

  /** True if users other than root can replace or change the file at a path, without following a symbolic link there. */
  othersCanChange(path: ByteString, stat: BasicStat): boolean {
    if (this.othersName(path)) return true;
    // The text of a symbolic link changes only with its directory.
    return (stat.mode & S_IFMT) !== S_IFLNK && othersCanWrite(this.host, path, stat);
  }

  private at(path: ByteString, links: number): ResolvedTrust {
    const trust = this.known.get(path) ?? this.find(path, links);
    this.known.set(path, trust);
    return trust;
  }

  private find(path: ByteString, links: number): ResolvedTrust {
    if (path === "" || path === "/") {
      const stat = this.host.stat("/");
      const others = stat !== undefined && othersCanWrite(this.host, "/", stat);
      return { real: "", others, sticky: false, link: false, stat };
    }
    const above = this.at(parentOf(path), links);
    if (above.link) return above;
    const name = baseName(path);
    if (name !== "..") return this.child(above, name, links);
    const up = this.at(parentOf(above.real), links);
    return { ...up, others: above.others || up.others, sticky: false };
  }

  private child(above: ResolvedTrust, name: ByteString, links: number): ResolvedTrust {
    const real = `${above.real}/${name}`;
    const stat = this.host.lstat(real);
    if (stat !== undefined && isLink(stat)) {
      if (above.others) return { ...above, link: true };
      if (links >= MOST_LINKS) {
        throw new JailkitError("link-loop", 1, `${quoted(real)}: too many symbolic links`);
      }
      return this.at(linkTarget(real, this.host.readlink(real)), links + 1);
    }
    const inherited = above.others && !(above.sticky && stat?.uid === 0);
    const own = stat !== undefined && othersCanWrite(this.host, real, stat);
    const sticky = !inherited && stat?.uid === 0 && (stat.mode & S_ISVTX) !== 0;
    return { real, others: inherited || own, sticky, link: false, stat };
  }
}
