import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { parentOf } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { onlyRootWrites } from "../../system/exchange.ts";
import type { Entry, Keeps } from "../entry.ts";
import { type FileSystem, isDirectory, isSymlink, tidy } from "../file-system.ts";

/** What stands at a path of the jail: planned already, or there from before. */
export type Node =
  | { readonly planned: Entry }
  | { readonly planned: undefined; readonly stat: BasicStat; readonly path: ByteString };

/** The jail as it will be while the plan grows. */
export interface JailPaths {
  /** What is or will be at `path`, whose parent is `directory(...)` of something; `fresh`: that is only going to be made. */
  at(path: ByteString, fresh?: boolean): Node | undefined;
  /**
   * The directory that `path` leads to as the jail sees it: links of the jail are followed inside the jail, and what
   * is missing is planned after the host's example, so that `/bin -> usr/bin` comes out the same. Returns a path
   * without links; "" is the jail's root. Throws JailkitError where a file or an untrusted link is in the way.
   */
  directory(path: ByteString, cause: Cause): ByteString;
  /** True where `path` leads to something, as the jail sees it and will see it. */
  reaches(path: ByteString): boolean;
}

/** What makes a missing parent necessary. */
export interface Cause {
  readonly section: ByteString;
  /** The path of the host that is on its way into the jail. */
  readonly of: ByteString;
  readonly keeps: Keeps;
}

/** Adds what is missing on the way: `path` is what the host has a directory, a link or nothing at. */
export type Mirror = (path: ByteString, hostStat: BasicStat | undefined, cause: Cause) => Entry;

// path_resolution(7)
const MOST_LINKS = 40;

/** What leads to a path of which others than root decide what it is. */
export function untrustedPath(path: ByteString, what: string): JailkitError {
  return new JailkitError(
    "untrusted-source",
    1,
    `${quoted(path)} ${what} in a directory that others than root can write: not followed`,
  );
}

/** A component of a path, and, where it is no part of a link, the directory of the host that it stands in. */
interface Part {
  readonly name: ByteString;
  readonly below: ByteString | undefined;
}

function partsOf(path: ByteString): Part[] {
  const parts: Part[] = [];
  let below = "";
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue;
    parts.push({ name, below });
    below = `${below}/${name}`;
  }
  return parts;
}

/**
 * Paths of a jail that holds `jail` and what has been planned into `planned` so far. A missing component is added
 * through `mirror`. `others`: whether others than root can write a directory of the host. What stands in the jail in
 * the place of such a directory may be a link that came from it: it is not followed, for they would choose where in
 * the jail something is put.
 */
export function jailPaths(
  host: FileSystem,
  jail: FileSystem,
  planned: ReadonlyMap<ByteString, Entry>,
  mirror: Mirror,
  others: (directory: ByteString) => boolean,
): JailPaths {
  const resolved = new Map<ByteString, ByteString>();

  function at(path: ByteString, fresh?: boolean): Node | undefined {
    const entry = planned.get(path);
    if (entry !== undefined) return { planned: entry };
    // Below a directory that is only going to be made there is nothing yet: most of the questions end here.
    if (fresh || planned.get(parentOf(path))?.action === "create") return undefined;
    const stat = jail.lstat(path);
    return stat === undefined ? undefined : { planned: undefined, stat, path };
  }

  /** The text of a link; undefined for a directory. Whatever else is in the way is an error. */
  function linkText(node: Node, below: ByteString, path: ByteString): ByteString | undefined {
    if (node.planned !== undefined) {
      if (node.planned.type === "directory") return undefined;
      if (node.planned.target !== undefined) return node.planned.target;
    } else if (isDirectory(node.stat.mode)) return undefined;
    else if (isSymlink(node.stat.mode)) {
      if (!trusted(below)) {
        throw new JailkitError(
          "link-in-untrusted-directory",
          1,
          `${quoted(path)} in the jail is a symbolic link in a directory that others than root may write: not followed`,
        );
      }
      return jail.readlink(path);
    }
    throw new JailkitError("not-a-directory", 1, `${quoted(path)} in the jail is not a directory`);
  }

  /** Only root can have placed what stands in `directory` and in all directories above it. */
  function trusted(directory: ByteString): boolean {
    for (let path = directory; path !== ""; path = parentOf(path)) {
      const node = at(path);
      if (node === undefined || node.planned !== undefined) continue;
      // In a sticky directory too: others cannot remove root's entries there, but they can add links of their own.
      if (!onlyRootWrites(node.stat)) return false;
    }
    return true;
  }

  /** Without a `cause` nothing is added: then a missing component is an error, and each link is followed. */
  function walk(path: ByteString, cause?: Cause): ByteString {
    const pending = partsOf(path).reverse();
    let current = "";
    for (let links = 0; pending.length > 0; ) {
      const part = pending.pop();
      if (part === undefined) break;
      if (part.name === "..") {
        current = parentOf(current);
        continue;
      }
      const next = `${current}/${part.name}`;
      const node = at(next) ?? added(next, cause);
      const text = linkText(node, current, next);
      if (text === undefined) {
        current = next;
        continue;
      }
      if (cause !== undefined && (others(part.below ?? current) || others(current))) {
        throw untrustedPath(next, "in the jail is a symbolic link that stands");
      }
      if (++links > MOST_LINKS) {
        throw new JailkitError("link-loop", 1, `${quoted(path)}: too many symbolic links in the jail`);
      }
      if (text.startsWith("/")) current = "";
      const parts = partsOf(text).map(({ name }) => ({ name, below: undefined }));
      pending.push(...parts.reverse());
    }
    return current;
  }

  function added(path: ByteString, cause: Cause | undefined): Node {
    if (cause === undefined) throw new JailkitError("missing", 1, `${quoted(path)} is not in the jail`);
    return { planned: mirror(path, host.lstat(path), cause) };
  }

  function leadsToSomething(path: ByteString): boolean {
    let next = path;
    for (let links = 0; links <= MOST_LINKS; links++) {
      const name = next.slice(next.lastIndexOf("/") + 1);
      const directory = walk(name === ".." ? next : parentOf(next));
      if (name === "" || name === "..") return true;
      const node = at(`${directory}/${name}`);
      if (node === undefined) return false;
      const target = node.planned === undefined ? textOf(node.stat, node.path) : node.planned.target;
      if (target === undefined) return true;
      next = tidy(target.startsWith("/") ? target : `${directory}/${target}`);
    }
    return false;
  }

  const textOf = (stat: BasicStat, path: ByteString) =>
    isSymlink(stat.mode) ? jail.readlink(path) : undefined;

  return {
    at,
    directory(path, cause) {
      const known = resolved.get(path);
      if (known !== undefined) return known;
      const directory = walk(path, cause);
      resolved.set(path, directory);
      return directory;
    },
    reaches(path) {
      try {
        return leadsToSomething(path);
      } catch (error) {
        if (error instanceof JailkitError) return false;
        throw error;
      }
    },
  };
}
