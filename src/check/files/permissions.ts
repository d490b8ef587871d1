import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { display } from "../../cli/display.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { isDirectory, isLink, isRegular } from "../../jail/fs/walk.ts";
import type { ManifestEntry } from "../../jail/record/manifest.ts";
import { modeBesideAcl, type NamedEntry, removalCommand, showEntries, writersOf } from "../../system/acl.ts";
import type { CheckFinding, Repair, Rule } from "../rules.ts";
import type { JailSettings, PathTest } from "../settings.ts";
import type { Seen } from "./walk.ts";

/** What a thing in a jail is judged by. */
export interface Judged {
  readonly seen: Seen;
  /** Its path on the host. */
  readonly path: ByteString;
  /** What the manifest says of it. */
  readonly entry: ManifestEntry | undefined;
  readonly settings: JailSettings;
  /** The primary group of an account of the jail. */
  readonly primaryGroup: (uid: number) => number | undefined;
  /** Whether some account, of the jail or of the host, has this uid. */
  readonly knownUid: (uid: number) => boolean;
}

const SPECIAL = C.S_ISUID | C.S_ISGID;

/** Who may write a directory or a file, setuid and setgid bits, file capabilities, and whose it is. */
export function permissionFindings(judged: Judged): CheckFinding[] {
  const { stat, target } = judged.seen;
  const findings: CheckFinding[] = [];
  if (target === undefined && !isLink(stat)) {
    if (isDirectory(stat) || isRegular(stat)) findings.push(...writableFindings(judged));
    if (isRegular(stat)) findings.push(...setuidFindings(judged), ...capabilityFindings(judged));
    findings.push(...aclFindings(judged));
  }
  findings.push(...ownerFindings(judged));
  return findings;
}

function finding(judged: Judged, rule: Rule, message: string, repair?: Repair): CheckFinding {
  const { path, seen } = judged;
  return {
    rule,
    path,
    message,
    jailPath: seen.path,
    ...(repair === undefined ? {} : { repair, seen: seen.stat }),
  };
}

/** Only in what is root's own is it known what the mode is to be; a user's files are the user's to set. */
function clear(judged: Judged, bits: number): Repair | undefined {
  return judged.seen.space === "user" ? undefined : { kind: "attributes", clear: bits };
}

/** The host's directories of that kind, such as /tmp, are sticky and outside of what programs are loaded from. */
function isShared({ stat, space }: Seen): boolean {
  return isDirectory(stat) && (stat.mode & C.S_ISVTX) !== 0 && stat.uid === 0 && space !== "system";
}

function writableFindings(judged: Judged): CheckFinding[] {
  const { seen, path, entry, settings } = judged;
  const { stat } = seen;
  if (isShared(seen)) return [];
  const directory = isDirectory(stat);
  const shown = directory ? `${display(path)}${path.endsWith("/") ? "" : "/"}` : display(path);
  const findings: CheckFinding[] = [];
  if ((stat.mode & 0o002) !== 0 && !settings.writableForOthers(path)) {
    const rule = directory ? "writable-for-others" : "file-writable-for-others";
    const repair = clear(judged, 0o002);
    findings.push(finding(judged, rule, `${shown} is writable for others!`, repair));
  }
  // Whom an ACL names is told as such: what the group itself may do is not its mask.
  const groupWrites = (modeBesideAcl(stat.mode, seen.grants.acl) & 0o020) !== 0;
  if (groupWrites && !settings.writableForGroup(path) && !groupMayWrite(judged, entry)) {
    const rule = directory ? "writable-for-group" : "file-writable-for-group";
    const repair = clear(judged, 0o020);
    findings.push(finding(judged, rule, `${shown} is writable for group!`, repair));
  }
  return findings;
}

/** The host's own mode for root's group, as recorded; and a user's files, in the group that is the user's. */
function groupMayWrite({ seen, primaryGroup }: Judged, entry: ManifestEntry | undefined): boolean {
  const { stat, space } = seen;
  if (entry !== undefined && stat.gid === 0 && (entry.mode & 0o020) !== 0) return true;
  return space === "user" && isRegular(stat) && primaryGroup(stat.uid) === stat.gid;
}

function setuidFindings(judged: Judged): CheckFinding[] {
  const { seen, path, entry, settings } = judged;
  const { stat } = seen;
  const special = stat.mode & SPECIAL;
  if (special === 0) return [];
  // Asked for, as in paths_w_setuid.
  if (
    entry !== undefined &&
    (special & ~entry.mode) === 0 &&
    stat.uid === entry.uid &&
    stat.gid === entry.gid
  )
    return [];
  const who = grants(stat.mode, stat.uid, stat.gid);
  // In a user's directory write.ts refuses what may be another file under this name.
  const repair: Repair = { kind: "attributes", clear: SPECIAL & ~(entry?.mode ?? 0) };
  const classes: readonly [bit: number, rule: Rule, word: string, ignored: PathTest][] = [
    [0o001, "setuid-for-others", "others", settings.setuidForOthers],
    [0o010, "setuid-for-group", "group", settings.setuidForGroup],
    [0o100, "setuid-for-user", "user", settings.setuidForUser],
  ];
  const findings = classes
    .filter(([bit, , , ignored]) => (stat.mode & bit) !== 0 && !ignored(path))
    .map(([, rule, word]) => {
      const message = `${display(path)} is executable for ${word} and setuid ${who}!!`;
      return finding(judged, rule, message, repair);
    });
  if ((stat.mode & 0o111) === 0) {
    const message = `${display(path)} is setuid ${who}, though nobody may execute it`;
    findings.push(finding(judged, "setuid-dormant", message, repair));
  }
  return findings;
}

/** Whose rights the bits give; "root" as in jailkit 2, which looks at both ids whichever bit is set. */
function grants(bits: number, uid: number, gid: number): string {
  if (uid === 0 || gid === 0) return "root";
  return (bits & C.S_ISUID) !== 0 ? `uid ${uid}` : `gid ${gid}`;
}

function capabilityFindings(judged: Judged): CheckFinding[] {
  if (!judged.seen.grants.capability) return [];
  const message = `${display(judged.path)} has file capabilities!`;
  return [finding(judged, "file-capability", message, { kind: "own-copy" })];
}

/**
 * Whom an ACL lets do something. In a user's own files it is the user's to say who may read them; that others write
 * them is told, as of those that a group can write.
 */
function aclFindings(judged: Judged): CheckFinding[] {
  const { seen, path, settings, primaryGroup } = judged;
  const { stat, space, grants, inherited } = seen;
  if (settings.writableForOthers(path)) return [];
  const own = ({ tag, id }: NamedEntry) => id === (tag === "u" ? stat.uid : primaryGroup(stat.uid));
  const named = typeof grants.acl === "string" ? [] : grants.acl.named;
  const told =
    space === "user"
      ? writersOf(grants.acl).filter((entry) => !own(entry))
      : named.filter(({ effective }) => effective !== 0);
  const findings: CheckFinding[] = [];
  if (told.length > 0) {
    const message = `${display(path)} has an ACL that names others (${showEntries(told)})!`;
    const repair: Repair | undefined = space !== "user" && isRegular(stat) ? { kind: "own-copy" } : undefined;
    const remedy = `${removalCommand(told)} ${shellWord(path)}`;
    findings.push({ ...finding(judged, "acl-entry", message, repair), remedy });
  }
  if (inherited.length > 0 && space !== "user") {
    const message = `${display(path)} has a default ACL that names others (${showEntries(inherited)})!`;
    const remedy = `${removalCommand(inherited, true)} ${shellWord(path)}`;
    findings.push({ ...finding(judged, "acl-inherited", message), remedy });
  }
  return findings;
}

function ownerFindings(judged: Judged): CheckFinding[] {
  const { seen, path, entry, knownUid } = judged;
  const { stat, parent, space } = seen;
  if (stat.uid === 0 || (entry !== undefined && entry.uid === stat.uid)) return [];
  const shown = display(path);
  if (space === "system") {
    // What it holds may be that user's too, so to give it to root would only hide it; but what is recorded is restored.
    const repair: Repair | undefined =
      entry?.uid === 0 ? { kind: isRegular(stat) ? "restore" : "attributes", uid: 0 } : undefined;
    return [finding(judged, "foreign-owner", `${shown} belongs to uid ${stat.uid}, not to root`, repair)];
  }
  if (knownUid(stat.uid) || (parent.uid === stat.uid && seen.path !== "/")) return [];
  const message = `${shown} belongs to uid ${stat.uid}, which no account has`;
  return [finding(judged, "unknown-owner", message)];
}
