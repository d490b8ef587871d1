import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { type Stat, sameFile, statIfPresent } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { isLoose } from "../../jail/fs/strict.ts";
import { isDirectory, isLink, isRegular, type JailRoot } from "../../jail/fs/walk.ts";
import type { ManifestEntry } from "../../jail/record/manifest.ts";
import { mayStayLinked } from "../../populate/apply/link.ts";
import type { Entry } from "../../populate/entry.ts";
import type { FileSystem } from "../../populate/file-system.ts";
import { givenToDirectory, withoutAcl } from "../../populate/plan/modes.ts";
import { onlyRootWrites } from "../../system/exchange.ts";
import type { JailObject, JailState } from "../state.ts";
import type { KnownContents } from "./known-contents.ts";

/** A change of one path of a jail. */
export interface Change {
  /** "exchange": the type changes between a directory and another one. */
  readonly action: "create" | "replace" | "attributes" | "exchange";
  readonly entry: Entry;
  /** As a hard link to the host's file, if that is possible. */
  readonly hardlink: boolean;
  readonly existing: JailObject | undefined;
  /** For an exchanged directory, its former content: nothing else is removed with it. */
  readonly within: readonly Stat[];
}

/** A path that stays, though the recipe has another file there; the reason is printable. */
export interface Kept {
  readonly path: ByteString;
  readonly reason: string;
  /** Printed also without --verbose. */
  readonly notable?: boolean;
}

type Decision =
  | { readonly kind: "change"; readonly change: Change }
  /** It is there already; `hardlink`: as a hard link to its source. */
  | { readonly kind: "present"; readonly hardlink: boolean }
  | { readonly kind: "kept"; readonly reason: string };

export interface CompareContext {
  readonly state: JailState;
  readonly host: FileSystem;
  readonly contents: KnownContents;
  /** The content of an exchanged directory. */
  readonly within: (path: ByteString) => readonly Stat[];
  /** True if an entry should be a hard link. */
  readonly hardlink: (entry: Entry) => boolean;
}

const PRESENT: Decision = { kind: "present", hardlink: false };

/** Compares an entry of a plan, made for planningView, with the jail. */
export function decideEntry(context: CompareContext, entry: Entry): Decision {
  const { state } = context;
  const existing = state.at(entry.path);
  const change = (action: Change["action"]): Decision => ({
    kind: "change",
    change: {
      action,
      entry,
      hardlink: entry.type === "file" && context.hardlink(entry),
      existing,
      within: action === "exchange" ? context.within(entry.path) : [],
    },
  });
  if (existing === undefined) return change("create");
  if (entry.type === "directory") {
    if (!isDirectory(existing.stat)) return change("exchange");
    return directoryAttributes(context, entry, existing) ? change("attributes") : PRESENT;
  }
  if (isDirectory(existing.stat)) return change("exchange");
  if (entry.action === "keep") return decideKept(context, entry, existing);
  if (!hasSameContent(context, entry, existing)) return change("replace");
  if (entry.type === "symlink") return PRESENT;
  const { stat } = existing;
  const shared = entry.source !== undefined && isSource(entry.source, stat);
  // A hard link that now grants too much is replaced by a copy.
  if (shared) return mayStayLinked(entry) ? { kind: "present", hardlink: true } : change("replace");
  const wasLink = state.recordsOf(entry.path).some(({ hardLink }) => hardLink === true);
  // The file of the host was replaced by another with the same content.
  if (wasLink) return change("replace");
  if (!needsAttributes(state, entry, existing)) return PRESENT;
  // A change would affect other hard links too. And a user may change their file before its owner changes, or have one open.
  const isUsers = (stat.uid !== 0 && stat.uid !== entry.uid) || (stat.mode & 0o022) !== 0;
  return change(stat.nlink > 1 || (isRegular(stat) && isUsers) ? "replace" : "attributes");
}

/** Decides about a file in the way that is not jailkit's. */
function decideKept(context: CompareContext, entry: Entry, existing: JailObject): Decision {
  if (hasSameContent(context, entry, existing)) return PRESENT;
  const reasons = {
    "as-put": "differs from the file of the host",
    changed: "was changed in the jail",
    unrecorded: "was not put there by jailkit",
    "made-here": "was created in the jail",
    user: `belongs to uid ${existing.stat.uid}`,
  };
  return { kind: "kept", reason: reasons[existing.origin] };
}

const hasAttributes = (a: { mode: number; uid: number; gid: number }, b: Stat): boolean =>
  a.mode === (b.mode & 0o7777) && a.uid === b.uid && a.gid === b.gid;

/** True if mode, owner or time differ from the recipe, and nobody has changed them in the jail. */
function needsAttributes(state: JailState, entry: Entry, { stat, origin }: JailObject): boolean {
  if (origin !== "as-put") return false;
  const records = state.recordsOf(entry.path);
  if (!hasAttributes(entry, stat)) return records.some((record) => hasAttributes(record, stat));
  // Compiled files, such as .pyc, depend on the time of their source.
  return entry.type === "file" && entry.mtime !== undefined && entry.mtime !== stat.mtime;
}

/**
 * Gives the entry of an existing directory the attributes of a new one; true if these must be changed. A directory that
 * nothing is loaded from, and that a user may write, stays as somebody gave it to that user, even if it was recorded so:
 * root does not take over names that a user has put there.
 */
function directoryAttributes({ state, host }: CompareContext, entry: Entry, { stat }: JailObject): boolean {
  if (isLoose(entry.path) && !onlyRootWrites(stat)) return false;
  const records = state.recordsOf(entry.path);
  if (!records.some((record) => record.type === "directory" && hasAttributes(record, stat))) return false;
  const source = entry.source === undefined ? undefined : host.lstat(entry.source);
  const real = source !== undefined && !isLink(source) ? source : undefined;
  const parent = entry.because.every(({ reason }) => reason.kind === "parent");
  const plain = real && withoutAcl(host, entry.source ?? "", real, entry.keeps);
  const given = givenToDirectory(entry.path, plain, parent, entry.keeps);
  if (hasAttributes(given, stat)) return false;
  Object.assign(entry, { mode: given.mode, uid: given.uid, gid: given.gid });
  return true;
}

function isSource(source: ByteString, stat: Stat): boolean {
  const there = statIfPresent(C.AT_FDCWD, source);
  return there !== undefined && sameFile(there, stat);
}

/** True if a file has the type, and the content, text or device numbers, of a new one. */
function hasSameContent(
  { host, contents }: CompareContext,
  entry: Entry,
  { stat, target }: JailObject,
): boolean {
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
      // An entry that is kept has the size of the file in the jail.
      const size = entry.action === "keep" ? host.lstat(entry.source)?.size : entry.size;
      if (size !== stat.size) return false;
      return size === 0 || contents.same(entry.path, entry.source, stat);
    }
  }
}

/** A line about a path that stays. */
export function keptMessage(root: JailRoot, { path, reason }: Kept): string {
  return `${display(root.path + path)} ${reason}: it stays as it is`;
}

export interface Removal {
  readonly path: ByteString;
  readonly type: ManifestEntry["type"] | "fifo" | "socket";
  /** The file at the time of the decision: another one stays. */
  readonly seen: Stat;
  /** The reason, printable; undefined if it is missing on the host or no longer requested. */
  readonly reason?: string;
}
