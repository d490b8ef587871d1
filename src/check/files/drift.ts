import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { type Stat, sameFile } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { octal } from "../../cli/octal.ts";
import { isDirectory, isLink, isRegular } from "../../jail/fs/walk.ts";
import type { ManifestEntry } from "../../jail/record/manifest.ts";
import { modeBesideAcl } from "../../system/acl.ts";
import type { CheckFinding, Repair, Rule } from "../rules.ts";
import type { Judged } from "./permissions.ts";

/** What stands on the host for something in a jail: the recorded source, or else the same path. */
export interface Counterpart {
  readonly path: ByteString;
  /** lstat(2); undefined where nothing stands there. */
  readonly stat: Stat | undefined;
  /** The text of a symbolic link. */
  readonly target: ByteString | undefined;
}

/** What is known without reading, and whether the contents have to be compared. */
export interface Drift {
  readonly findings: readonly CheckFinding[];
  /** The contents decide; what to say if they differ. */
  readonly compare?: CheckFinding;
  readonly gone?: Gone;
}

/** The host's file is gone: what is known from before decides whether the jail's still is what it was. */
export interface Gone {
  readonly unchanged: CheckFinding;
  readonly changed: CheckFinding;
  /** What to say where nothing is known from before. */
  readonly otherwise: CheckFinding;
}

const SPECIAL = C.S_ISUID | C.S_ISGID;
const NOTHING: Drift = { findings: [] };

// What jailkit and ldconfig(8) make for a jail, and what is made to differ: the jail's own accounts and configuration.
const GENERATED =
  /^\/(?:etc\/(?:passwd-?|group-?|ld\.so\.cache|\.jailkit\.lock|\.pwd\.lock|jailkit(?:\/.*)?)|var\/cache\/ldconfig(?:\/.*)?)$/;

/** True for what a jail has for itself: its contents are no copy of the host's. */
export function isGenerated(jailPath: ByteString): boolean {
  return GENERATED.test(jailPath);
}

const TYPES: Readonly<Record<number, string>> = {
  [C.S_IFREG]: "file",
  [C.S_IFDIR]: "directory",
  [C.S_IFLNK]: "link",
  [C.S_IFCHR]: "char",
  [C.S_IFBLK]: "block",
  [C.S_IFIFO]: "fifo",
  [C.S_IFSOCK]: "socket",
};
const WORDS: Readonly<Record<string, string>> = {
  file: "a regular file",
  directory: "a directory",
  link: "a symbolic link",
  char: "a character device",
  block: "a block device",
  fifo: "a FIFO",
  socket: "a socket",
};
const typeOf = (stat: Stat): string => TYPES[stat.mode & C.S_IFMT] ?? "file";

function findingOf(judged: Judged, rule: Rule, message: string, repair?: Repair): CheckFinding {
  const { path, seen } = judged;
  const how = repair === undefined ? {} : { repair, seen: seen.stat };
  return { rule, path, message, jailPath: seen.path, ...how };
}

/**
 * Configuration may have been edited on purpose, so only what programs are made of is put back; and nothing that a
 * user owns.
 */
function restore({ seen }: Judged): Repair | undefined {
  return seen.space === "system" && !seen.path.startsWith("/etc/") ? { kind: "restore" } : undefined;
}

/** Compares a thing with what was recorded of it and with the host. `recordKept`: the jail has a manifest. */
export function driftOf(judged: Judged, counterpart: Counterpart, recordKept: boolean): Drift {
  const { seen, entry, settings, path } = judged;
  if (settings.compare(path)) return NOTHING;
  if (entry === undefined) return unrecordedDrift(judged, counterpart, recordKept);
  const type = typeOf(seen.stat);
  if (type !== entry.type) return { findings: [typeFinding(judged, counterpart, type, entry.type)] };
  const attributes = attributeFindings(judged, entry);
  if (isGenerated(seen.path)) return { findings: attributes };
  const drift =
    type === "link"
      ? { findings: linkDrift(judged, entry, counterpart) }
      : type === "file"
        ? fileDrift(judged, counterpart, entry)
        : NOTHING;
  return { ...drift, findings: [...attributes, ...drift.findings] };
}

function typeFinding(judged: Judged, counterpart: Counterpart, is: string, was: string): CheckFinding {
  const shown = display(judged.path);
  const message =
    is === "link" || was === "link"
      ? `${shown} and ${display(counterpart.path)} are not both symlinks!`
      : `${shown} is ${WORDS[is] ?? is}, and was put there as ${WORDS[was] ?? was}`;
  // In the place of a directory there may be anything, and a directory may hold anything.
  const plain = is !== "directory" && was !== "directory" ? restore(judged) : undefined;
  return findingOf(judged, "different-type", message, plain);
}

/** Mode and owner against the record. Bits that were added and have a rule of their own are told there. */
function attributeFindings(judged: Judged, entry: ManifestEntry): CheckFinding[] {
  const { seen, path } = judged;
  const { stat, space } = seen;
  if (space === "user" || isLink(stat)) return [];
  const findings: CheckFinding[] = [];
  const is = modeBesideAcl(stat.mode, seen.grants.acl) & 0o7777;
  const other = (is & ~entry.mode & ~(SPECIAL | 0o022)) | (entry.mode & ~is);
  if (other !== 0) {
    const message = `${display(path)} has mode ${octal(is)}, and was given ${octal(entry.mode)}`;
    findings.push(
      findingOf(judged, "changed-mode", message, { kind: "attributes", mode: entry.mode & 0o7777 }),
    );
  }
  const foreign = space === "system" && stat.uid !== 0 && stat.uid !== entry.uid;
  if (!foreign && (stat.uid !== entry.uid || stat.gid !== entry.gid)) {
    const message = `${display(path)} belongs to ${stat.uid}:${stat.gid}, and was given to ${entry.uid}:${entry.gid}`;
    findings.push(findingOf(judged, "changed-owner", message, ownerRepair(stat, entry)));
  }
  return findings;
}

/** What somebody else owned may hold what that user wants: it is put there anew. */
function ownerRepair(stat: Stat, { uid, gid, mode }: ManifestEntry): Repair {
  if (isRegular(stat) && stat.uid !== 0 && stat.uid !== uid) return { kind: "restore" };
  // A change of owner takes setuid and setgid away: they are given again.
  return { kind: "attributes", uid, gid, mode: mode & 0o7777 };
}

function linkDrift(
  judged: Judged,
  entry: ManifestEntry,
  { path, stat, target }: Counterpart,
): CheckFinding[] {
  const shown = display(judged.path);
  if (judged.seen.target !== entry.target) {
    const message = `symlinks ${shown} and ${display(path)} point to different files!`;
    return [findingOf(judged, "different-link", message, restore(judged))];
  }
  if (entry.source === undefined || target === entry.target) return [];
  if (stat === undefined) return [goneFinding(judged, path)];
  return [outdatedFinding(judged, path)];
}

function outdatedFinding(judged: Judged, source: ByteString): CheckFinding {
  const message = `${display(judged.path)} is as it was put there, but ${display(source)} has changed since`;
  return findingOf(judged, "outdated", message);
}

function goneFinding(judged: Judged, source: ByteString): CheckFinding {
  const message = `${display(judged.path)} is as it was put there, but ${display(source)} is gone`;
  return findingOf(judged, "source-gone", message);
}

function fileDrift(judged: Judged, counterpart: Counterpart, entry: ManifestEntry): Drift {
  if (entry.source === undefined) return NOTHING;
  const { stat } = counterpart;
  const here = judged.seen.stat;
  const asPut = entry.size === here.size && (entry.mtime === undefined || entry.mtime === here.mtime);
  if (stat === undefined) {
    const unchanged = goneFinding(judged, counterpart.path);
    const message = `${display(judged.path)} is not what was put there, and ${display(counterpart.path)} is gone`;
    const changed = findingOf(judged, "changed-file", message);
    return { findings: [], gone: { unchanged, changed, otherwise: asPut ? unchanged : changed } };
  }
  const sourceChanged = !isRegular(stat) || stat.size !== entry.size || stat.mtime !== entry.mtime;
  if (asPut && sourceChanged && !isRegular(stat))
    return { findings: [outdatedFinding(judged, counterpart.path)] };
  const changed = asPut && sourceChanged ? outdatedFinding(judged, counterpart.path) : undefined;
  return contentDrift(judged, counterpart, stat, changed);
}

/** Two files: the size decides, or one inode for both, or the contents do. */
function contentDrift(
  judged: Judged,
  counterpart: Counterpart,
  stat: Stat,
  changed: CheckFinding | undefined,
): Drift {
  const here = judged.seen.stat;
  const pair = `${display(judged.path)} and ${display(counterpart.path)}`;
  if (!isRegular(stat)) {
    return { findings: [findingOf(judged, "different-type", `${pair} are not both symlinks!`)] };
  }
  if (here.size !== stat.size) {
    const message = `${pair} have a different size!`;
    return { findings: [changed ?? findingOf(judged, "different-size", message, restored(judged))] };
  }
  if (sameFile(here, stat) || here.size === 0) return NOTHING;
  const differs = findingOf(judged, "different-content", `${pair} are not the same!`, restored(judged));
  return { findings: [], compare: changed ?? differs };
}

/** Without an entry nothing says what owner and mode a restored file is to have. */
function restored(judged: Judged): Repair | undefined {
  return judged.entry === undefined ? undefined : restore(judged);
}

function unrecordedDrift(judged: Judged, counterpart: Counterpart, recordKept: boolean): Drift {
  const { seen, path } = judged;
  const { stat } = counterpart;
  const here = seen.stat;
  if (seen.space === "user" || isGenerated(seen.path) || isDirectory(here)) return NOTHING;
  if (!isRegular(here) && !isLink(here)) return NOTHING;
  if (stat === undefined) {
    if (seen.space !== "system") return NOTHING;
    const lacking = `cannot read ${display(path)} or ${display(counterpart.path)} !`;
    if (!recordKept) return { findings: [findingOf(judged, "no-counterpart", lacking)] };
    return { findings: [unrecordedFinding(judged)] };
  }
  if (isRegular(here)) return contentDrift(judged, counterpart, stat, undefined);
  if (counterpart.target === seen.target) return NOTHING;
  const pair = `${display(path)} and ${display(counterpart.path)}`;
  return isLink(stat)
    ? {
        findings: [findingOf(judged, "different-link", `symlinks ${pair} point to different files!`)],
      }
    : { findings: [findingOf(judged, "different-type", `${pair} are not both symlinks!`)] };
}

/** Something in a system directory that the jail's record does not know. */
export function unrecordedFinding(judged: Pick<Judged, "path" | "seen">): CheckFinding {
  const { path, seen } = judged;
  const message = `${display(path)} is not in the record of the jail: nothing of jailkit put it there`;
  return { rule: "unrecorded", path, jailPath: seen.path, message };
}

/**
 * What the record knows and the walk did not see; of a tree that is gone, its top alone. `exchanged`: paths at which
 * something else stands, which is told already.
 */
export function missingFindings(
  entries: Iterable<ManifestEntry>,
  exchanged: Iterable<ByteString>,
  wasSeen: (path: ByteString) => boolean,
  hostPathOf: (path: ByteString) => ByteString,
): CheckFinding[] {
  const gone = [...entries].filter(({ path }) => !wasSeen(path));
  const paths = new Set([...gone.map(({ path }) => path), ...exchanged]);
  const below = (path: ByteString) => {
    for (let slash = path.lastIndexOf("/"); slash > 0; slash = path.lastIndexOf("/", slash - 1))
      if (paths.has(path.slice(0, slash))) return true;
    return false;
  };
  return gone.flatMap(({ path, source }): CheckFinding[] => {
    if (below(path)) return [];
    const shown = hostPathOf(path);
    const from = source === undefined ? "" : ` from ${display(source)}`;
    const message = `${display(shown)} is gone, and was put there${from}`;
    return [{ rule: "missing", path: shown, jailPath: path, message, repair: { kind: "restore" } }];
  });
}
