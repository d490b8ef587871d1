import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import type { Attribution, Entry, Keeps, Plan, PopulateProblem } from "../entry.ts";
import type { Given } from "./modes.ts";

/** A growing plan. */
export interface Draft extends Plan {
  readonly entries: Entry[];
  readonly problems: PopulateProblem[];
  unsafe?: PopulateProblem | undefined;
  readonly warnings: string[];
  readonly notes: string[];
  readonly satisfied: Set<ByteString>;
  /** The entries by their path in the jail. */
  readonly planned: Map<ByteString, Entry>;
  /** The entries by the path of the host that led to them; undefined if there is no entry. */
  readonly seen: Map<ByteString, Entry | undefined>;
  /** Files that users other than root named or placed, by their path on the host. */
  readonly leftOut: Map<ByteString, LeftOut>;
}

/** An empty plan. */
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

/** Adds an entry at `path` of the jail for `source` of the host, whose attributes are `stat`. */
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
  // Filling a directory changes its times, and those of a symbolic link do not matter.
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

/** Adds an error about `path` of the host. `prefix`: the start of the message. */
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

/** A file that is not copied because users other than root named or placed it. */
export type LeftOut = {
  /** The directory that is copied, or the path that was named. */
  readonly tree: ByteString;
  readonly section: ByteString;
  /** Its path on the host. */
  readonly path: ByteString;
} & (
  | { readonly kind: "link"; readonly target: ByteString }
  /** A program or library; `named`: by the administrator, so that its libraries came along. */
  | { readonly kind: "program"; readonly named: boolean }
  | { readonly kind: "device"; readonly inJail: ByteString; readonly stat: BasicStat }
  | { readonly kind: "private" }
);
