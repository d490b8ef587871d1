import type { ByteString } from "../../../ffi/bytes.ts";
import type { Stat } from "../../../ffi/files.ts";
import { pathComponents } from "../../../ffi/paths.ts";
import { display, quoted } from "../../cli/display.ts";
import { hostPath, type JailRoot } from "../../jail/fs/walk.ts";
import type { CheckFinding } from "../rules.ts";

/** What a link is judged by. */
export interface LinkContext {
  readonly root: JailRoot;
  /** Whether something stands there as the jail sees it, links followed. */
  readonly inJail: (path: ByteString) => boolean;
  /** Whether something stands there on the host, links followed. */
  readonly onHost: (path: ByteString) => boolean;
  /** The text that the record, or the host at the same path, has for it. */
  readonly expected: ByteString | undefined;
}

/** True where a relative text names, through "..", what is above the jail's root. Links on the way are not looked at. */
export function climbsOut(path: ByteString, target: ByteString): boolean {
  if (target.startsWith("/")) return false;
  let depth = pathComponents(path).length - 1;
  for (const part of pathComponents(target)) {
    depth += part === ".." ? -1 : 1;
    if (depth < 0) return true;
  }
  return false;
}

/**
 * A symbolic link that means one thing in the jail and another to who follows it from the host, such as a backup
 * that root runs: it climbs above the jail's root, names the jail itself, or leads to what only the host has.
 */
export function linkFindings(path: ByteString, target: ByteString, context: LinkContext): CheckFinding[] {
  const { root, inJail, onHost, expected } = context;
  const shown = hostPath(root, path);
  const found = (what: string): CheckFinding[] => [
    {
      rule: "link-outside",
      path: shown,
      jailPath: path,
      message: `${display(shown)} is a symbolic link to ${quoted(target)}: ${what}`,
    },
  ];
  if (climbsOut(path, target)) return found("it climbs above the jail");
  if (!target.startsWith("/") || target === expected) return [];
  const plain = `/${pathComponents(target).join("/")}`;
  if (plain === root.path || plain.startsWith(`${root.path}/`))
    return found("it names the jail by its path on the host, which the jail does not have");
  if (!inJail(path) && onHost(target))
    return found("it leads nowhere in the jail, but to a file of the host");
  return [];
}

/** Names of one inode that were seen in a jail. */
interface Names {
  readonly stat: Stat;
  readonly paths: ByteString[];
}

/** Counts the names of files that have more than one. */
export interface HardLinks {
  add(path: ByteString, stat: Stat): void;
  /** Those that have names which were not seen: outside the jail, or where nothing is looked at. */
  outside(): Names[];
}

/** An empty count. */
export function countHardLinks(): HardLinks {
  const seen = new Map<string, Names>();
  return {
    add(path, stat) {
      if (stat.nlink < 2) return;
      const key = `${stat.devMajor}:${stat.devMinor}:${stat.ino}`;
      const known = seen.get(key);
      if (known === undefined) seen.set(key, { stat, paths: [path] });
      else known.paths.push(path);
    },
    outside: () => [...seen.values()].filter(({ stat, paths }) => paths.length < stat.nlink),
  };
}
