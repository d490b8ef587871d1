import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import type { Attribution, Entry, Keeps, Plan, PopulateProblem } from "../entry.ts";
import type { Given } from "./modes.ts";

/** A plan while it grows. */
export interface Draft extends Plan {
  readonly entries: Entry[];
  readonly problems: PopulateProblem[];
  readonly warnings: string[];
  readonly notes: string[];
  readonly satisfied: Set<ByteString>;
  /** The entries by their path in the jail. */
  readonly planned: Map<ByteString, Entry>;
  /** The entries by the path of the host that led to them; undefined where nothing came of it. */
  readonly seen: Map<ByteString, Entry | undefined>;
  /** What others than root named or put there, by its path on the host. */
  readonly leftOut: Map<ByteString, LeftOut>;
}

/** A plan in which there is nothing. */
export function emptyDraft(): Draft {
  return {
    entries: [],
    problems: [],
    warnings: [],
    notes: [],
    satisfied: new Set(),
    planned: new Map(),
    seen: new Map(),
    leftOut: new Map(),
  };
}

/** What an entry is, apart from where it comes from and what it gets of that. */
export interface Kind {
  readonly type: Entry["type"];
  readonly action: Entry["action"];
  readonly because: readonly Attribution[];
  readonly keeps: Keeps;
  readonly target?: ByteString;
  readonly device?: NonNullable<Entry["device"]>;
  readonly differs?: boolean;
  readonly untrusted?: BasicStat | undefined;
}

/** Adds an entry at `path` of the jail, made from `source` of the host, whose attributes are `stat`. */
export function addEntry(
  draft: Draft,
  path: ByteString,
  source: ByteString | undefined,
  stat: BasicStat | undefined,
  given: Given,
  kind: Kind,
): Entry {
  const entry: Entry = {
    path,
    source,
    mode: given.mode,
    uid: given.uid,
    gid: given.gid,
    stripped: given.stripped,
    size: 0,
    atime: undefined,
    mtime: undefined,
    ...kind,
  };
  // A directory changes when it is filled, and a link's times are of no use to anybody.
  if (stat !== undefined && (kind.type === "file" || kind.type === "device")) {
    entry.size = kind.type === "file" ? stat.size : 0;
    entry.atime = nanoseconds(stat.atimeSeconds, stat.atimeNanoseconds);
    entry.mtime = nanoseconds(stat.mtimeSeconds, stat.mtimeNanoseconds);
  }
  draft.entries.push(entry);
  draft.planned.set(path, entry);
  return entry;
}

function nanoseconds(seconds: number, rest: number): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(rest);
}

/** Notes an error about `path` of the host; `message` begins with it unless told otherwise. */
export function addProblem(
  draft: Draft,
  code: string,
  path: ByteString,
  message: string,
  prefix = `${display(path)} `,
): undefined {
  draft.problems.push({ code, path, message: `${prefix}${message}` });
  return undefined;
}

/** Something that does not come into the jail because it is others than root who named it or put it there. */
export type LeftOut = {
  /** The directory that is copied, or the path that was named. */
  readonly tree: ByteString;
  readonly section: ByteString;
  /** Where it stands on the host. */
  readonly path: ByteString;
} & (
  | { readonly kind: "link"; readonly target: ByteString }
  /** A program or library, and whether it was named, so that its libraries came along. */
  | { readonly kind: "program"; readonly named: boolean }
  | { readonly kind: "device"; readonly inJail: ByteString; readonly stat: BasicStat }
  | { readonly kind: "private" }
);
