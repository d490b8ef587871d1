import { type ByteString, toBytes } from "../../../ffi/bytes.ts";
import { STAT_WORDS, statAll } from "../../../ffi/stat-all.ts";
import type { MountRestrictions } from "../../system/mounts.ts";
import type { FileSystem } from "../file-system.ts";

// What was asked about a path, and what it was then.
const NAMED = 1;
const FOLLOWED = 2;
const LISTED = 4;
const NAMED_THERE = 8;
const NAMED_ABSENT = 16;
const FOLLOWED_THERE = 32;
const FOLLOWED_ABSENT = 64;

/** Paths of the host that a plan depends on, in four lists. Each path ends with NUL. */
export type Watched = readonly [
  named: Uint8Array,
  followed: Uint8Array,
  listedNamed: Uint8Array,
  listed: Uint8Array,
];

const LOOKS = [
  { follow: false, listed: false },
  { follow: true, listed: false },
  { follow: false, listed: true },
  { follow: true, listed: true },
] as const;

/** The state of the watched paths. */
export interface HostState {
  /** A SHA-256 sum of their attributes, without their access times. */
  readonly digest: string;
  /** The newest change of one of them (ctime), in seconds since the epoch. */
  readonly newest: number;
  /** For each path of the four lists in turn: it is there. */
  readonly there: (index: number) => boolean;
}

/** Looks at all watched paths. */
export function hostStateOf(watched: Watched): HostState {
  const counts = watched.map((bytes) => bytes.reduce((count, byte) => count + (byte === 0 ? 1 : 0), 0));
  const words = new Uint32Array(counts.reduce((sum, count) => sum + count, 0) * STAT_WORDS);
  let newest = 0;
  let at = 0;
  for (const [index, look] of LOOKS.entries()) {
    newest = Math.max(newest, statAll(watched[index] ?? new Uint8Array(), look, words, at));
    at += (counts[index] ?? 0) * STAT_WORDS;
  }
  const digest = new Bun.CryptoHasher("sha256").update(words).digest("hex");
  return { digest, newest, there: (index) => words[index * STAT_WORDS] !== 0 };
}

/** Notes what a plan looks at. Whoever reads the host for a plan tells it each path. */
export class Trace {
  readonly #asked = new Map<ByteString, number>();
  readonly withheld = new Map<ByteString, MountRestrictions>();

  /** `path` was looked at, or opened. `present`: whether it was there, if that is known. */
  saw(path: ByteString, follow: boolean, present?: boolean, listed = false): void {
    const there = follow ? FOLLOWED_THERE : NAMED_THERE;
    const absent = follow ? FOLLOWED_ABSENT : NAMED_ABSENT;
    const found = present === undefined ? 0 : present ? there : absent;
    const bits = (follow ? FOLLOWED : NAMED) | (listed ? LISTED : 0) | found;
    this.#asked.set(path, (this.#asked.get(path) ?? 0) | bits);
  }

  /** The watched paths; undefined if one of them changed meanwhile, or its name is not plain. */
  watched(): { watched: Watched; isAsSeen: (state: HostState) => boolean } | undefined {
    const lists: [ByteString[], ByteString[], ByteString[], ByteString[]] = [[], [], [], []];
    const expected: (boolean | undefined)[][] = [[], [], [], []];
    for (const [path, bits] of this.#asked) {
      if (path.includes("\0") || !path.startsWith("/")) return undefined;
      const both = (there: number, absent: number) => (bits & there) !== 0 && (bits & absent) !== 0;
      if (both(NAMED_THERE, NAMED_ABSENT) || both(FOLLOWED_THERE, FOLLOWED_ABSENT)) return undefined;
      const first = (bits & LISTED) === 0 ? 0 : 2;
      const add = (list: number, there: number, absent: number) => {
        lists[list]?.push(path);
        expected[list]?.push((bits & there) !== 0 ? true : (bits & absent) !== 0 ? false : undefined);
      };
      if ((bits & NAMED) !== 0) add(first, NAMED_THERE, NAMED_ABSENT);
      if ((bits & FOLLOWED) !== 0) add(first + 1, FOLLOWED_THERE, FOLLOWED_ABSENT);
    }
    const text = (paths: readonly ByteString[]) => toBytes(paths.map((path) => `${path}\0`).join(""));
    const all = expected.flat();
    const isAsSeen = ({ there }: HostState) =>
      all.every((each, index) => each === undefined || each === there(index));
    return { watched: [text(lists[0]), text(lists[1]), text(lists[2]), text(lists[3])], isAsSeen };
  }
}

/** A view of the host that notes what is read of it. */
export function tracedHost(host: FileSystem, trace: Trace): FileSystem {
  return {
    lstat(path) {
      const stat = host.lstat(path);
      trace.saw(path, false, stat !== undefined);
      return stat;
    },
    stat(path) {
      const stat = host.stat(path);
      trace.saw(path, true, stat !== undefined);
      return stat;
    },
    // An ACL changes with the ctime of its file.
    acl(path, follow = false) {
      trace.saw(path, follow, undefined, true);
      return host.acl(path, follow);
    },
    withheld(path) {
      const found = host.withheld(path);
      trace.withheld.set(path, found);
      return found;
    },
    readlink(path, expected) {
      trace.saw(path, false);
      return host.readlink(path, expected);
    },
    names(path) {
      trace.saw(path, true, undefined, true);
      return host.names(path);
    },
    list(path, expected) {
      trace.saw(path, true, undefined, true);
      const found = host.list(path, expected);
      for (const { name } of found) trace.saw(`${path}/${name}`, false, true);
      return found;
    },
  };
}
