import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { type Stat, sameFile } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { octal } from "../../cli/octal.ts";
import { isDirectory, isLink, isRegular } from "../../jail/fs/walk.ts";
import type { ManifestEntry } from "../../jail/record/manifest.ts";
import { modeBesideAcl } from "../../system/acl.ts";
import type { CheckFinding, Repair, Rule } from "../rules.ts";
import type { Counterpart } from "./counterpart.ts";
import { findingAbout, type Item, SPECIAL } from "./item.ts";

/** The differences in metadata, and whether the contents must be compared. */
interface Drift {
  readonly findings: readonly CheckFinding[];
  /** Compare the contents; the finding if they differ. */
  readonly compare?: CheckFinding;
  readonly gone?: SourceGone;
}

/** The host's file is missing: the result of an earlier check shows whether the jail's file changed. */
export interface SourceGone {
  readonly unchanged: CheckFinding;
  readonly changed: CheckFinding;
  /** The finding if no earlier check read the file. */
  readonly otherwise: CheckFinding;
}

const NOTHING: Drift = { findings: [] };

// Files that jailkit and ldconfig(8) create for a jail, such as its accounts and configuration. The settings of msmtp are
// written for the jail, and those of the host may have a password.
const GENERATED =
  /^\/(?:etc\/(?:passwd-?|group-?|ld\.so\.cache|\.jailkit\.lock|\.pwd\.lock|msmtprc|jailkit(?:\/.*)?)|var\/cache\/ldconfig(?:\/.*)?)$/;

/** True for a file of the jail's own, which is not a copy of the host's. */
export function isGenerated(jailPath: ByteString): boolean {
  return GENERATED.test(jailPath);
}

/** The types of the record, and their names. */
const TYPES: Readonly<Record<number, readonly [type: string, words: string]>> = {
  [C.S_IFREG]: ["file", "a regular file"],
  [C.S_IFDIR]: ["directory", "a directory"],
  [C.S_IFLNK]: ["link", "a symbolic link"],
  [C.S_IFCHR]: ["char", "a character device"],
  [C.S_IFBLK]: ["block", "a block device"],
  [C.S_IFIFO]: ["fifo", "a FIFO"],
  [C.S_IFSOCK]: ["socket", "a socket"],
};
const WORDS = new Map(Object.values(TYPES));
const typeOf = (stat: Stat): string => TYPES[stat.mode & C.S_IFMT]?.[0] ?? "file";

/** Restores only files of programs: configuration may have been edited on purpose, and users' files are theirs. */
function restore({ seen }: Item): Repair | undefined {
  return seen.space === "system" && !seen.path.startsWith("/etc/") ? { kind: "restore" } : undefined;
}

/** Compares an item with its record and with the host. `recordKept`: the jail has a manifest. */
export function driftOf(item: Item, counterpart: Counterpart, recordKept: boolean): Drift {
  const { seen, entry, settings, path } = item;
  if (settings.compare(path)) return NOTHING;
  if (entry === undefined) return unrecordedDrift(item, counterpart, recordKept);
  const type = typeOf(seen.stat);
  if (type !== entry.type) return { findings: [typeFinding(item, counterpart, type, entry.type)] };
  const attributes = attributeFindings(item, entry);
  if (isGenerated(seen.path)) return { findings: attributes };
  if (type === "link") return { findings: [...attributes, ...linkDrift(item, entry, counterpart)] };
  const drift = type === "file" ? fileDrift(item, counterpart, entry) : NOTHING;
  return { ...drift, findings: [...attributes, ...drift.findings] };
}

function typeFinding(item: Item, counterpart: Counterpart, is: string, was: string): CheckFinding {
  const shown = display(item.path);
  const message =
    is === "link" || was === "link"
      ? `${shown} and ${display(counterpart.path)} are not both symlinks!`
      : `${shown} is ${WORDS.get(is) ?? is}, but ${WORDS.get(was) ?? was} in the record`;
  // A directory may contain anything, and so may its replacement.
  const plain = is !== "directory" && was !== "directory" ? restore(item) : undefined;
  return findingAbout(item, "different-type", message, plain);
}

/** Compares mode and owner with the record. Other rules report added bits that they are about. */
function attributeFindings(item: Item, entry: ManifestEntry): CheckFinding[] {
  const { seen, path } = item;
  const { stat, space } = seen;
  if (space === "user" || isLink(stat)) return [];
  const findings: CheckFinding[] = [];
  const is = modeBesideAcl(stat.mode, seen.grants.acl) & 0o7777;
  const other = (is & ~entry.mode & ~(SPECIAL | 0o022)) | (entry.mode & ~is);
  if (other !== 0) {
    const message = `${display(path)} has mode ${octal(is)}, but ${octal(entry.mode)} in the record`;
    const repair: Repair = { kind: "attributes", mode: entry.mode & 0o7777 };
    findings.push(findingAbout(item, "changed-mode", message, repair));
  }
  const foreign = space === "system" && stat.uid !== 0 && stat.uid !== entry.uid;
  if (!foreign && (stat.uid !== entry.uid || stat.gid !== entry.gid)) {
    const message = `${display(path)} belongs to ${stat.uid}:${stat.gid}, but to ${entry.uid}:${entry.gid} in the record`;
    findings.push(findingAbout(item, "changed-owner", message, ownerRepair(stat, entry)));
  }
  return findings;
}

/** Copies a file again if a user owned it, who may have changed its content. */
function ownerRepair(stat: Stat, { uid, gid, mode }: ManifestEntry): Repair {
  if (isRegular(stat) && stat.uid !== 0 && stat.uid !== uid) return { kind: "restore" };
  // A change of owner clears setuid and setgid: they are set again.
  return { kind: "attributes", uid, gid, mode: mode & 0o7777 };
}

function linkDrift(item: Item, entry: ManifestEntry, { path, stat, target }: Counterpart): CheckFinding[] {
  const shown = display(item.path);
  if (item.seen.target !== entry.target) {
    const message = `symlinks ${shown} and ${display(path)} point to different files!`;
    return [findingAbout(item, "different-link", message, restore(item))];
  }
  if (entry.source === undefined || target === entry.target) return [];
  return [stat === undefined ? goneFinding(item, path) : outdatedFinding(item, path)];
}

const outdatedFinding = (item: Item, source: ByteString) =>
  asCopied(item, "outdated", `${display(source)} has changed`);
const goneFinding = (item: Item, source: ByteString) =>
  asCopied(item, "source-gone", `${display(source)} is missing`);
const asCopied = (item: Item, rule: Rule, but: string) =>
  findingAbout(item, rule, `${display(item.path)} is unchanged since it was copied, but ${but}`);

function fileDrift(item: Item, counterpart: Counterpart, entry: ManifestEntry): Drift {
  if (entry.source === undefined) return NOTHING;
  const { stat, path } = counterpart;
  const here = item.seen.stat;
  const asPut = entry.size === here.size && (entry.mtime === undefined || entry.mtime === here.mtime);
  if (stat === undefined) {
    const unchanged = goneFinding(item, path);
    const message = `${display(item.path)} has changed since it was copied, and ${display(path)} is missing`;
    const changed = findingAbout(item, "changed-file", message);
    return { findings: [], gone: { unchanged, changed, otherwise: asPut ? unchanged : changed } };
  }
  const sourceChanged = !isRegular(stat) || stat.size !== entry.size || stat.mtime !== entry.mtime;
  const outdated = asPut && sourceChanged ? outdatedFinding(item, path) : undefined;
  return contentDrift(item, counterpart, stat, outdated);
}

/**
 * Two files: equal if they are one inode, different if their sizes differ; else their contents are compared. `outdated`:
 * the finding if the jail's file is the one that was copied.
 */
function contentDrift(item: Item, counterpart: Counterpart, stat: Stat, outdated?: CheckFinding): Drift {
  const { seen, entry, path } = item;
  const pair = `${display(path)} and ${display(counterpart.path)}`;
  const differs = (rule: Rule, what: string, repair?: Repair) =>
    outdated ?? findingAbout(item, rule, `${pair} ${what}`, repair);
  if (!isRegular(stat)) return { findings: [differs("different-type", "are not both symlinks!")] };
  // Only a recorded file is restored: otherwise its owner and mode are unknown.
  const repair = entry === undefined ? undefined : restore(item);
  if (seen.stat.size !== stat.size)
    return { findings: [differs("different-size", "have a different size!", repair)] };
  if (sameFile(seen.stat, stat) || seen.stat.size === 0) return NOTHING;
  return { findings: [], compare: differs("different-content", "are not the same!", repair) };
}

function unrecordedDrift(item: Item, counterpart: Counterpart, recordKept: boolean): Drift {
  const { seen, path } = item;
  const { stat } = counterpart;
  const here = seen.stat;
  if (seen.space === "user" || isGenerated(seen.path) || isDirectory(here)) return NOTHING;
  if (!isRegular(here) && !isLink(here)) return NOTHING;
  if (stat === undefined) {
    if (seen.space !== "system") return NOTHING;
    const lacking = `cannot read ${display(path)} or ${display(counterpart.path)} !`;
    const finding = recordKept ? unrecordedFinding(item) : findingAbout(item, "no-counterpart", lacking);
    return { findings: [finding] };
  }
  if (isRegular(here)) return contentDrift(item, counterpart, stat);
  if (counterpart.target === seen.target) return NOTHING;
  const pair = `${display(path)} and ${display(counterpart.path)}`;
  const finding = isLink(stat)
    ? findingAbout(item, "different-link", `symlinks ${pair} point to different files!`)
    : findingAbout(item, "different-type", `${pair} are not both symlinks!`);
  return { findings: [finding] };
}

/** The finding about an item in a system directory that is not in the record of the jail. */
export function unrecordedFinding(item: Pick<Item, "path" | "seen">): CheckFinding {
  const { path, seen } = item;
  const message = `${display(path)} is not in the record of the jail: jailkit did not put it there`;
  return { rule: "unrecorded", path, jailPath: seen.path, message };
}

/**
 * Findings about recorded items that the walk did not see; of a missing tree, only its top. `replaced`: paths where
 * another type of file was reported already.
 */
export function missingFindings(
  entries: Iterable<ManifestEntry>,
  replaced: Iterable<ByteString>,
  wasSeen: (path: ByteString) => boolean,
  hostPathOf: (path: ByteString) => ByteString,
): CheckFinding[] {
  const missing = [...entries].filter(({ path }) => !wasSeen(path));
  const paths = new Set([...missing.map(({ path }) => path), ...replaced]);
  const isBelow = (path: ByteString) => {
    for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1))
      if (paths.has(path.slice(0, slash))) return true;
    return false;
  };
  return missing.flatMap(({ path: jailPath, source }): CheckFinding[] => {
    if (isBelow(jailPath)) return [];
    const path = hostPathOf(jailPath);
    const from = source === undefined ? "" : `; it was copied from ${display(source)}`;
    const message = `${display(path)} is missing${from}`;
    return [{ rule: "missing", path, jailPath, message, repair: { kind: "restore" } }];
  });
}
