import * as C from "../../../ffi/constants.ts";
import { display } from "../../cli/display.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { isDirectory, isLink, isRegular } from "../../jail/fs/walk.ts";
import { modeBesideAcl, type NamedEntry, removalCommand, showEntries, writersOf } from "../../system/acl.ts";
import { closeCommand } from "../../system/exchange.ts";
import type { CheckFinding, Repair, Rule } from "../rules.ts";
import type { PathTest } from "../settings.ts";
import { findingAbout, type Item, SPECIAL } from "./item.ts";
import type { WalkEntry } from "./walk.ts";

/** Findings about modes, setuid and setgid bits, file capabilities, ACLs and owners. */
export function permissionFindings(item: Item): CheckFinding[] {
  const { stat } = item.seen;
  const file = isRegular(stat);
  return [
    ...(file || isDirectory(stat) ? writableFindings(item) : []),
    ...(file ? [...setuidFindings(item), ...capabilityFindings(item)] : []),
    ...(isLink(stat) ? [] : aclFindings(item)),
    ...ownerFindings(item),
  ];
}

/**
 * The mode of a user's file is the user's choice; all others are repaired. What others could write they may have open: a program, a
 * library or a file of the system is replaced by a copy.
 */
function clear({ seen: { space, stat } }: Item, bits: number): Repair | undefined {
  if (space === "user") return undefined;
  return { kind: space === "system" && isRegular(stat) ? "own-copy" : "attributes", clear: bits };
}

/** A directory such as /tmp: root's, sticky, and not one that programs are loaded from. */
function isShared({ stat, space }: WalkEntry): boolean {
  return isDirectory(stat) && (stat.mode & C.S_ISVTX) !== 0 && stat.uid === 0 && space !== "system";
}

function writableFindings(item: Item): CheckFinding[] {
  const { seen, path, settings } = item;
  const { stat } = seen;
  if (isShared(seen)) return [];
  const directory = isDirectory(stat);
  const shown = display(path) + (directory && !path.endsWith("/") ? "/" : "");
  const others = (stat.mode & 0o002) !== 0 && !settings.writableForOthers(path);
  // The group bits of a file with an ACL are its mask; another rule reports users and groups that the ACL names.
  const groupWrites = (modeBesideAcl(stat.mode, seen.grants.acl) & 0o020) !== 0;
  const group = groupWrites && !settings.writableForGroup(path) && !groupMayWrite(item);
  const bits = (others ? 0o002 : 0) | (group ? 0o020 : 0);
  const found = (rule: Rule, whom: string): CheckFinding => ({
    ...findingAbout(item, rule, `${shown} is writable for ${whom}!`, clear(item, bits)),
    closing: closeCommand(bits),
  });
  return [
    ...(others ? [found(directory ? "writable-for-others" : "file-writable-for-others", "others")] : []),
    ...(group ? [found(directory ? "writable-for-group" : "file-writable-for-group", "group")] : []),
  ];
}

/** True for root's group with a recorded mode, and for a user's file in the primary group of that user. */
function groupMayWrite({ seen, entry, primaryGroup }: Item): boolean {
  const { stat, space } = seen;
  if (entry !== undefined && stat.gid === 0 && (entry.mode & 0o020) !== 0) return true;
  return space === "user" && isRegular(stat) && primaryGroup(stat.uid) === stat.gid;
}

function setuidFindings(item: Item): CheckFinding[] {
  const { seen, path, entry, settings } = item;
  const { stat } = seen;
  const special = stat.mode & SPECIAL;
  if (special === 0) return [];
  const ownedAsRecorded = stat.uid === entry?.uid && stat.gid === entry.gid;
  // Requested, for example by paths_w_setuid.
  if (ownedAsRecorded && (special & ~entry.mode) === 0) return [];
  // As jailkit 2 says it, which looks at both ids regardless of the bits.
  const root = stat.uid === 0 || stat.gid === 0;
  const who = root ? "root" : (stat.mode & C.S_ISUID) !== 0 ? `uid ${stat.uid}` : `gid ${stat.gid}`;
  // In a user's directory setAttributes refuses another file of this name.
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
      return findingAbout(item, rule, message, repair);
    });
  if ((stat.mode & 0o111) === 0) {
    const message = `${display(path)} is setuid ${who}, though nobody may execute it`;
    findings.push(findingAbout(item, "setuid-dormant", message, repair));
  }
  return findings;
}

function capabilityFindings(item: Item): CheckFinding[] {
  if (!item.seen.grants.capability) return [];
  const message = `${display(item.path)} has file capabilities!`;
  return [findingAbout(item, "file-capability", message, { kind: "own-copy" })];
}

/**
 * Findings about ACLs that name somebody. For a user's own file, only write access of others is reported: the user may
 * choose who reads it.
 */
function aclFindings(item: Item): CheckFinding[] {
  const { seen, path, settings, primaryGroup } = item;
  const { stat, space, grants, inherited } = seen;
  const own = ({ tag, id }: NamedEntry) => id === (tag === "u" ? stat.uid : primaryGroup(stat.uid));
  const named = typeof grants.acl === "string" ? [] : grants.acl.named;
  const reported =
    space === "user"
      ? writersOf(grants.acl).filter((entry) => !own(entry))
      : named.filter(({ effective }) => effective !== 0);
  const findings: CheckFinding[] = [];
  if (reported.length > 0) {
    const message = `${display(path)} has an ACL that names others (${showEntries(reported)})!`;
    const repair = space !== "user" && isRegular(stat) ? ({ kind: "own-copy" } as const) : undefined;
    // What they have open they could write after that, too: a file is copied.
    const remedy: Remedy | undefined = repair ? undefined : `${removalCommand(reported)} ${shellWord(path)}`;
    findings.push({ ...findingAbout(item, "acl-entry", message, repair), ...(remedy && { remedy }) });
  }
  if (inherited.length > 0 && space !== "user") {
    const message = `${display(path)} has a default ACL that names others (${showEntries(inherited)})!`;
    const remedy: Remedy = `${removalCommand(inherited, true)} ${shellWord(path)}`;
    findings.push({ ...findingAbout(item, "acl-inherited", message), remedy });
  }
  // Last: for a home, name services are asked.
  return findings.length > 0 && settings.writableForOthers(path) ? [] : findings;
}

function ownerFindings(item: Item): CheckFinding[] {
  const { seen, path, entry, knownUid } = item;
  const { stat, parent, space } = seen;
  if (stat.uid === 0 || entry?.uid === stat.uid) return [];
  const shown = display(path);
  if (space === "system") {
    // That user may have written the content too, which giving the file to root would hide; a recorded file is restored.
    const repair: Repair | undefined =
      entry?.uid === 0 ? { kind: isRegular(stat) ? "restore" : "attributes", uid: 0 } : undefined;
    const message = `${shown} belongs to uid ${stat.uid}, not to root`;
    // As long as its owner can change names in a directory, tools refuse to repair files in it.
    return [{ ...findingAbout(item, "foreign-owner", message, repair), first: isDirectory(stat) }];
  }
  if (knownUid(stat.uid) || (parent.uid === stat.uid && seen.path !== "/")) return [];
  const message = `${shown} belongs to uid ${stat.uid}, which no account has`;
  return [findingAbout(item, "unknown-owner", message)];
}
