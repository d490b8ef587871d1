import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { type Stat, sameFile, statIfPresent } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { sameContent } from "../../jail/fs/compare.ts";
import { isDirectory, isLink, isRegular, type JailRoot } from "../../jail/fs/walk.ts";
import type { ManifestEntry } from "../../jail/record/manifest.ts";
import { mayStayLinked } from "../../populate/apply/link.ts";
import type { Entry } from "../../populate/entry.ts";
import { type FileSystem, isSymlink } from "../../populate/file-system.ts";
import { givenToDirectory, withoutAcl } from "../../populate/plan/modes.ts";
import type { JailState, Standing } from "../state.ts";

/** Something to be put into a jail, or to be changed there. */
export interface Change {
  /** "exchange": a directory in the place of a link or file, or the other way round. */
  readonly action: "create" | "replace" | "attributes" | "exchange";
  readonly entry: Entry;
  /** As another name of the host's file, where that is possible. */
  readonly hardlink: boolean;
  /** What stands there before. */
  readonly standing: Standing | undefined;
  /** What was in it, where it is a directory that is exchanged: nothing else goes with it. */
  readonly within: readonly Stat[];
}

/** Something that stays as it is though the recipe has something else there; the reason is printable. */
export interface Kept {
  readonly path: ByteString;
  readonly reason: string;
  /** Told also where no more output is asked for. */
  readonly notable?: boolean;
}

/** What is to become of one entry of a plan. */
export type Judgement =
  | { readonly kind: "change"; readonly change: Change }
  /** It stands there as it is to be; `hardlink`: as another name of its source. */
  | { readonly kind: "present"; readonly hardlink: boolean }
  | { readonly kind: "kept"; readonly reason: string };

/** What entries are compared with. */
export interface CompareContext {
  readonly state: JailState;
  readonly host: FileSystem;
  /** What is in a directory that makes room for something else. */
  readonly within: (path: ByteString) => readonly Stat[];
  /** Whether an entry is to be a hard link. */
  readonly hardlink: (entry: Entry) => boolean;
}

const PRESENT: Judgement = { kind: "present", hardlink: false };

/** Compares an entry of a plan that was made against planningView with what stands in the jail. */
export function judgeEntry(context: CompareContext, entry: Entry): Judgement {
  const { state } = context;
  const standing = state.at(entry.path);
  const change = (action: Change["action"]): Judgement => ({
    kind: "change",
    change: {
      action,
      entry,
      hardlink: entry.type === "file" && context.hardlink(entry),
      standing,
      within: action === "exchange" ? context.within(entry.path) : [],
    },
  });
  if (standing === undefined) return change("create");
  if (entry.type === "directory") {
    if (!isDirectory(standing.stat)) return change("exchange");
    return directoryAttributes(context, entry, standing) ? change("attributes") : PRESENT;
  }
  if (isDirectory(standing.stat)) return change("exchange");
  if (entry.action === "keep") return judgeKept(context, entry, standing);
  if (!isSameInode(context, entry, standing)) return change("replace");
  if (entry.type === "symlink") return PRESENT;
  const { stat } = standing;
  const shared = entry.source !== undefined && isSource(entry.source, stat);
  // One that grants more by now than it may is put there anew, as a copy.
  if (shared) return mayStayLinked(entry) ? { kind: "present", hardlink: true } : change("replace");
  const wasLink = state.recordsOf(entry.path).some(({ hardLink }) => hardLink === true);
  // The host's file is another one now, with the same content.
  if (wasLink) return change("replace");
  if (!needsAttributes(state, entry, standing)) return PRESENT;
  // A change of what has more than one name would be seen under the others; and what was somebody else's may hold
  // something else by the time that it changes hands.
  const usersOwn = isRegular(stat) && stat.uid !== 0 && stat.uid !== entry.uid;
  return change(stat.nlink > 1 || usersOwn ? "replace" : "attributes");
}

/** What stands in the way and is not jailkit's. */
function judgeKept(context: CompareContext, entry: Entry, standing: Standing): Judgement {
  if (isSameInode(context, entry, standing)) return PRESENT;
  const reasons = {
    "as-put": "is something else than the host has there",
    changed: "was changed in the jail",
    unrecorded: "was not put there by jailkit",
    "made-here": "was made in the jail",
    user: `belongs to uid ${standing.stat.uid}`,
  };
  return { kind: "kept", reason: reasons[standing.whose] };
}

const givenAs = (a: { mode: number; uid: number; gid: number }, b: Stat): boolean =>
  a.mode === (b.mode & 0o7777) && a.uid === b.uid && a.gid === b.gid;

/** True where mode, owner or time are not the recipe's, and nobody has changed them in the jail. */
function needsAttributes(state: JailState, entry: Entry, { stat, whose }: Standing): boolean {
  if (whose !== "as-put") return false;
  const records = state.recordsOf(entry.path);
  if (!givenAs(entry, stat)) return records.some((record) => givenAs(record, stat));
  // What was compiled for a file, such as .pyc, goes by its time.
  return entry.type === "file" && entry.mtime !== undefined && entry.mtime !== stat.mtime;
}

/** Gives an entry of a directory that stays what a new one would get; true where that is to be changed. */
function directoryAttributes({ state, host }: CompareContext, entry: Entry, { stat }: Standing): boolean {
  const records = state.recordsOf(entry.path);
  if (!records.some((record) => record.type === "directory" && givenAs(record, stat))) return false;
  const source = entry.source === undefined ? undefined : host.lstat(entry.source);
  const real = source !== undefined && !isSymlink(source.mode) ? source : undefined;
  const parent = entry.because.every(({ reason }) => reason.kind === "parent");
  const plain = real && withoutAcl(host, entry.source ?? "", real, entry.keeps);
  const given = givenToDirectory(entry.path, plain, parent, entry.keeps);
  if (givenAs(given, stat)) return false;
  Object.assign(entry, { mode: given.mode, uid: given.uid, gid: given.gid });
  return true;
}

function isSource(source: ByteString, stat: Stat): boolean {
  const there = statIfPresent(C.AT_FDCWD, source);
  return there !== undefined && sameFile(there, stat);
}

/** Whether what stands there has the type and the content, text or numbers that a new one would have. */
function isSameInode({ state, host }: CompareContext, entry: Entry, { stat, target }: Standing): boolean {
  switch (entry.type) {
    case "directory":
      return isDirectory(stat);
    case "symlink":
      return isLink(stat) && target === entry.target;
    case "device": {
      const type = entry.device?.type === "block" ? C.S_IFBLK : C.S_IFCHR;
      if ((stat.mode & C.S_IFMT) !== type) return false;
      return stat.rdevMajor === entry.device?.major && stat.rdevMinor === entry.device.minor;
    }
    case "file": {
      if (!isRegular(stat) || entry.source === undefined) return false;
      // An entry that stays has the size of what stands there.
      const size = entry.action === "keep" ? host.lstat(entry.source)?.size : entry.size;
      if (size !== stat.size) return false;
      return size === 0 || sameContent(state.root, entry.path, entry.source, stat);
    }
  }
}

/** A line about something that stays. */
export function keptMessage(root: JailRoot, { path, reason }: Kept): string {
  return `${display(root.path + path)} ${reason}: it stays as it is`;
}

/** Something that goes. */
export interface Removal {
  readonly path: ByteString;
  readonly type: ManifestEntry["type"] | "fifo" | "socket";
  /** What stood there when that was decided: anything else stays. */
  readonly seen: Stat;
  /** Why it goes, printable, where it is not that the host lost it or that nobody asks for it any more. */
  readonly reason?: string;
}
