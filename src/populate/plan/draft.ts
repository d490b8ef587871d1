import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { nanoseconds } from "../../../ffi/statx.ts";
import { display } from "../../cli/display.ts";
import type { ProblemCode } from "../../cli/problem-codes.ts";
import type { Loader } from "../../libraries/closure.ts";
import type { Attribution, Entry, Keeps, Plan, PopulateProblem, Reason } from "../entry.ts";
import type { FileSystem } from "../file-system.ts";
import type { BareScript, Companions } from "./companion.ts";
import type { Refusal } from "./forbidden.ts";
import type { Given } from "./modes.ts";
import type { HostTrust } from "./trust.ts";

/** The input of planning, which reads nothing else and changes nothing. */
export interface PlannerInput {
  readonly host: FileSystem;
  /** The same, for what depends on the place of the jail. Default: `host`. */
  readonly unwatched?: FileSystem | undefined;
  /** The jail as it is now. */
  readonly jail: FileSystem;
  /** The path of the jail on the host: the jail is never copied into itself. */
  readonly jailPath: ByteString;
  /** Overwrite existing files of the jail. */
  readonly force: boolean;
  readonly loader: Pick<Loader, "dependencies" | "configurationFiles">;
  /** Directories of the jail in which it has the host's own files: nothing is planned there. */
  readonly live?: readonly ByteString[];
  /** Without them, every script brings its interpreter. */
  readonly companions?: Companions;
  /** Called with each new file when it is planned. */
  readonly offer?: (entry: Entry) => void;
  /** True if `path` of the host is in the jail because a script of this section brought it. Default: never. */
  readonly broughtBefore?: (path: ByteString, section: ByteString) => boolean;
}

/** True for one of the directories, and for everything below them. */
export const isIn = (directories: readonly ByteString[], path: ByteString): boolean =>
  directories.some((each) => path === each || path.startsWith(`${each}/`));

/** What all parts of planning share. */
export interface PlanContext extends PlannerInput {
  readonly draft: Draft;
  readonly trust: HostTrust;
  /** The reason why a directory is never copied whole; undefined if it may be. */
  readonly forbidden: Refusal;
  /** The same, of those that are refused because the jail is there. */
  readonly leadsToJail: Refusal;
}

/** How files are copied; the same for all files that follow from one want. */
export interface CopyRules {
  readonly section: ByteString;
  readonly keeps: Keeps;
  /** Plan the dependencies of programs. Off for libraries, since their dependencies are planned already. */
  readonly withNeeds: boolean;
  /** A symbolic link leads to what the jail has already. */
  readonly linkAlone?: boolean;
}

/** A file of the host to plan, with the reason. */
export interface Source {
  readonly path: ByteString;
  readonly stat: BasicStat;
  readonly rules: CopyRules;
  readonly reason: Reason;
}

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
  readonly bareScripts: BareScript[];
  /** The directories that are copied with their content, by their path on the host. */
  readonly trees: Set<ByteString>;
  /** For a jail elsewhere the plan would be another one. */
  dependsOnJail?: boolean;
}

/** An empty plan. */
export function emptyDraft(): Draft {
  const lists = { entries: [], problems: [], warnings: [], notes: [] };
  const maps = { planned: new Map(), seen: new Map(), leftOut: new Map() };
  return { ...lists, ...maps, satisfied: new Set(), bareScripts: [], trees: new Set() };
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
  const entry: Entry = { path, source, ...given, size: 0, mtime: undefined, ...kind };
  // Filling a directory changes its times, and those of a symbolic link do not matter.
  if (stat !== undefined && (kind.type === "file" || kind.type === "device")) {
    entry.size = kind.type === "file" ? stat.size : 0;
    entry.mtime = nanoseconds(stat.mtimeSeconds, stat.mtimeNanoseconds);
  }
  draft.entries.push(entry);
  draft.planned.set(path, entry);
  return entry;
}

/** Adds an error about `path` of the host. `prefix`: the start of the message. */
export function addProblem(
  draft: Draft,
  code: ProblemCode,
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

const DEEPEST_TREE = 4096;

/** True for a path that the administrator named, and for its dependencies; false for one found in a directory. */
export function isNamed(reason: Reason): boolean {
  return reason.kind !== "tree" && !(reason.kind === "asked" && reason.matched === true);
}

/** The requested directory that brought `path`; `path` itself if there is none. */
export function treeOf(path: ByteString, reason: Reason): ByteString {
  let tree = path;
  for (let at: Reason | undefined = reason, steps = 0; at?.kind === "tree" && steps < DEEPEST_TREE; steps++) {
    tree = at.from.source ?? at.from.path;
    at = at.from.because[0]?.reason;
  }
  return tree;
}

/**
 * Adds another request to an entry: by another section, for a better reason, or with more of its owner and special bits
 * to keep. False if nothing is new. An entry only ever keeps more, so loops of symbolic links end.
 */
export function addRequest(entry: Entry, section: ByteString, reason: Reason, keeps: Keeps): boolean {
  const before = entry.because.find((each) => each.section === section);
  const better =
    (before?.reason.kind === "parent" && reason.kind !== "parent") ||
    (before !== undefined && !isNamed(before.reason) && reason.kind === "asked" && isNamed(reason));
  if (before !== undefined && !better && (keeps & ~entry.keeps) === 0) return false;
  const own = { section, reason };
  if (before === undefined) entry.because = [...entry.because, own];
  else if (better) entry.because = entry.because.map((each) => (each === before ? own : each));
  entry.keeps = (entry.keeps | keeps) as Keeps;
  return true;
}
