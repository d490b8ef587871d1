import type { BasicStat } from "../../../ffi/basic-stat.ts";
import { type ByteString, cString, toBytes } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { openAt, withFd } from "../../../ffi/files.ts";
import { type Look, STAT_WORDS, statAll, statWords, timesCount } from "../../../ffi/stat-all.ts";
import { dropInDirectory } from "../../config/load.ts";
import { keepsTimes, type MountRestrictions } from "../../system/mounts.ts";
import type { FileSystem } from "../file-system.ts";
import { cachedHost } from "../host-cache.ts";

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
  return { digest: sumOf(words), newest };
}

const sumOf = (words: Uint32Array): string => new Bun.CryptoHasher("sha256").update(words).digest("hex");

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
   * The watched paths, and their state when they were looked at. Undefined if something changed between two looks, the name
   * of a path is not plain, or the times of a file do not show every change.
   */
  watched(): { watched: Watched; state: HostState } | undefined {
    if (this.#changed) return undefined;
    const words = new Uint32Array((this.#named.size + this.#followed.size) * STAT_WORDS);
    const texts: Uint8Array[] = [];
    const devices = new Map<string, readonly [path: ByteString, follow: boolean]>();
    let newest = 0;
    let at = 0;
    for (const look of LOOKS) {
      const { follow, listed } = look;
      const paths: ByteString[] = [];
      for (const [path, seen] of follow ? this.#followed : this.#named) {
        if (this.#listed.has(path) !== listed) continue;
        if (path.includes("\0") || !path.startsWith("/")) return undefined;
        paths.push(path, "\0");
        const changed =
          seen === "some" ? statAll(cString(path), look, words, at) : statWords(seen, listed, words, at);
        newest = Math.max(newest, changed);
        if (timesCount((words[at] ?? 0) & 0xffff, listed))
          devices.set(`${words[at + 5]}:${words[at + 6]}`, [path, follow]);
        at += STAT_WORDS;
      }
      texts.push(toBytes(paths.join("")));
    }
    if (![...devices.values()].every(keepsTimesAt)) return undefined;
    return { watched: texts as unknown as Watched, state: { digest: sumOf(words), newest } };
  }
}

const identity = (stat: BasicStat): readonly number[] => [
  ...[stat.mode, stat.uid, stat.gid, stat.inoLow, stat.inoHigh],
  ...[stat.devMajor, stat.devMinor, stat.rdevMajor, stat.rdevMinor],
];

/** True if both are the same file with the same owner and mode. */
function isSame(a: BasicStat | undefined, b: BasicStat | undefined): boolean {
  if (a === undefined || b === undefined || a === b) return a === b;
  const other = identity(b);
  return identity(a).every((value, index) => value === other[index]);
}

/** True if the file system of a file can be relied on for times. */
function keepsTimesAt([path, follow]: readonly [path: ByteString, follow: boolean]): boolean {
  const flags = C.O_PATH | (follow ? 0 : C.O_NOFOLLOW);
  return attempt(() => withFd(openAt(C.AT_FDCWD, path, flags), keepsTimes)) ?? false;
}

/** The host, with a trace of what is read. A plan depends on all sections, since they decide what scripts bring along. */
export function tracedWithSections(unwatched: FileSystem, trace: Trace, file: ByteString): FileSystem {
  const host = cachedHost(tracedHost(unwatched, trace));
  attempt(() => host.stat(file));
  attempt(() => host.list(dropInDirectory(file) ?? ""));
  return host;
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
      for (const one of found) trace.saw(one.path, false, one.stat);
      return found;
    },
  };
}
