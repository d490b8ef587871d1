import type { BasicStat } from "../../../ffi/basic-stat.ts";
import { type ByteString, toBytes } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { openAt, withFd } from "../../../ffi/files.ts";
import { type Look, STAT_WORDS, statAll, timesCount } from "../../../ffi/stat-all.ts";
import { keepsTimes, type MountRestrictions } from "../../system/mounts.ts";
import type { FileSystem } from "../file-system.ts";

/** Paths of the host that a plan depends on, in four lists. Each path ends with NUL. */
export type Watched = readonly [
  named: Uint8Array,
  followed: Uint8Array,
  listedNamed: Uint8Array,
  listed: Uint8Array,
];

const LOOKS: readonly Look[] = [
  { follow: false, listed: false },
  { follow: true, listed: false },
  { follow: false, listed: true },
  { follow: true, listed: true },
];

/** The state of the watched paths. */
export interface HostState {
  /** A SHA-256 sum of their attributes, without their access times. */
  readonly digest: string;
  /** The newest change of one of them (ctime), in seconds since the epoch; of directories only if they are listed. */
  readonly newest: number;
  /** The attributes of each path of the four lists in turn, as statAll returns them. */
  readonly words: Uint32Array;
}

/** Looks at all watched paths. */
export function hostStateOf(watched: Watched): HostState {
  const counts = watched.map(countPaths);
  const words = new Uint32Array(counts.reduce((sum, count) => sum + count, 0) * STAT_WORDS);
  let newest = 0;
  let at = 0;
  for (const [index, look] of LOOKS.entries()) {
    newest = Math.max(newest, statAll(watched[index] ?? new Uint8Array(), look, words, at));
    at += (counts[index] ?? 0) * STAT_WORDS;
  }
  const digest = new Bun.CryptoHasher("sha256").update(words).digest("hex");
  return { digest, newest, words };
}

function countPaths(paths: Uint8Array): number {
  let count = 0;
  for (let at = paths.indexOf(0); at >= 0; at = paths.indexOf(0, at + 1)) count++;
  return count;
}

/** The file that was found at a path. "some": only looked at in another way. */
type Seen = BasicStat | "some" | undefined;

/** Notes what a plan looks at. Whoever reads the host for a plan tells it each path. */
export class Trace {
  readonly #named = new Map<ByteString, Seen>();
  readonly #followed = new Map<ByteString, Seen>();
  readonly #listed = new Set<ByteString>();
  readonly withheld = new Map<ByteString, MountRestrictions>();
  #changed = false;

  /** `path` was looked at, or opened. `listed`: the names in it were read, or its ACL. */
  saw(path: ByteString, follow: boolean, found: Seen, listed = false): void {
    const all = follow ? this.#followed : this.#named;
    if (listed) this.#listed.add(path);
    const before = all.get(path) ?? (all.has(path) ? undefined : "some");
    if (before === "some") all.set(path, found);
    else if (found !== "some") this.#changed ||= !isSame(before, found);
  }

  /** The mount of the file at `path` has these restrictions. */
  sawMount(path: ByteString, found: MountRestrictions): void {
    const { devices, setuid } = this.withheld.getOrInsert(path, found);
    this.#changed ||= devices !== found.devices || setuid !== found.setuid;
  }

  /**
   * The watched paths, and a test whether a state of the host is the one that was seen. Undefined if something changed
   * meanwhile, or the name of a path is not plain.
   */
  watched(): { watched: Watched; isAsSeen: (state: HostState) => boolean } | undefined {
    const paths: [ByteString[], ByteString[], ByteString[], ByteString[]] = [[], [], [], []];
    const seen: Seen[][] = [[], [], [], []];
    for (const [index, all] of [this.#named, this.#followed].entries()) {
      for (const [path, found] of all) {
        if (path.includes("\0") || !path.startsWith("/")) return undefined;
        const list = index + (this.#listed.has(path) ? 2 : 0);
        paths[list]?.push(path);
        seen[list]?.push(found);
      }
    }
    if (this.#changed) return undefined;
    const text = (list: readonly ByteString[]) => toBytes(list.map((path) => `${path}\0`).join(""));
    const all = seen.flat();
    const isAsSeen = ({ words }: HostState) =>
      all.every((each, index) => isAt(words, index * STAT_WORDS, each)) && areReliable(paths, words);
    return { watched: [text(paths[0]), text(paths[1]), text(paths[2]), text(paths[3])], isAsSeen };
  }
}

const identity = (stat: BasicStat): readonly number[] => [
  ...[stat.mode, stat.uid, stat.gid, stat.inoLow, stat.inoHigh],
  ...[stat.devMajor, stat.devMinor, stat.rdevMajor, stat.rdevMinor],
];

function isSame(a: BasicStat | undefined, b: BasicStat | undefined): boolean {
  if (a === undefined || b === undefined || a === b) return a === b;
  const other = identity(b);
  return identity(a).every((value, index) => value === other[index]);
}

function isAt(words: Uint32Array, at: number, seen: Seen): boolean {
  if (seen === "some") return true;
  if (seen === undefined) return ((words[at] ?? 0) & 0xffff) === 0;
  return identity(seen).every((value, index) => value === words[at + index]);
}

/** True if the file systems of all files whose times count can be relied on for them. */
function areReliable(paths: readonly (readonly ByteString[])[], words: Uint32Array): boolean {
  const devices = new Map<string, readonly [path: ByteString, follow: boolean]>();
  let at = 0;
  for (const [index, { follow, listed }] of LOOKS.entries()) {
    for (const path of paths[index] ?? []) {
      if (timesCount((words[at] ?? 0) & 0xffff, listed))
        devices.set(`${words[at + 5]}:${words[at + 6]}`, [path, follow]);
      at += STAT_WORDS;
    }
  }
  return [...devices.values()].every(([path, follow]) => {
    const flags = C.O_PATH | (follow ? 0 : C.O_NOFOLLOW);
    return attempt(() => withFd(openAt(C.AT_FDCWD, path, flags), keepsTimes)) ?? false;
  });
}

/** A view of the host that notes what is read of it. */
export function tracedHost(host: FileSystem, trace: Trace): FileSystem {
  return {
    lstat(path) {
      const stat = host.lstat(path);
      trace.saw(path, false, stat);
      return stat;
    },
    stat(path) {
      const stat = host.stat(path);
      trace.saw(path, true, stat);
      return stat;
    },
    // An ACL changes with the ctime of its file.
    acl(path, follow = false) {
      trace.saw(path, follow, "some", true);
      return host.acl(path, follow);
    },
    withheld(path) {
      const found = host.withheld(path);
      trace.sawMount(path, found);
      return found;
    },
    readlink(path, expected) {
      trace.saw(path, false, "some");
      return host.readlink(path, expected);
    },
    names(path) {
      trace.saw(path, true, host.stat(path), true);
      return host.names(path);
    },
    list(path, expected) {
      trace.saw(path, true, host.stat(path), true);
      const found = host.list(path, expected);
      for (const { name, stat } of found) trace.saw(`${path}/${name}`, false, stat);
      return found;
    },
  };
}
