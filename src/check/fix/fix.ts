import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import type { Stat } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { display } from "../../cli/display.ts";
import { describeError, JailkitError } from "../../cli/error.ts";
import { interruption } from "../../cli/interrupt.ts";
import { octal } from "../../cli/octal.ts";
import { updateJailAccounts } from "../../jail/accounts/accounts.ts";
import { exchanged, isSameInode } from "../../jail/fs/attributes.ts";
import { hostDirectory } from "../../jail/fs/host-directories.ts";
import { lookUp, withJailFile } from "../../jail/fs/look.ts";
import { noRoom } from "../../jail/fs/no-room.ts";
import { jailFindings } from "../../jail/fs/safety.ts";
import {
  closeJailRoot,
  hostPath,
  isDirectory,
  isRegular,
  type JailRoot,
  openJailRoot,
  openTree,
} from "../../jail/fs/walk.ts";
import { putFile, removePath, setAttributes } from "../../jail/fs/write.ts";
import type { ManifestContent } from "../../jail/record/manifest.ts";
import { hasOldCache, renewLibraryCache } from "../../populate/apply/library-cache.ts";
import { aclOf, modeWithoutAcl } from "../../system/acl.ts";
import type { JailReport } from "../jail.ts";
import type { CheckFinding, Repair } from "../rules.ts";
import { restoreEntries } from "./restore.ts";

/** A repair, or the reason why it failed; one printable line. */
export interface FixOutcome {
  readonly done: boolean;
  readonly path: ByteString;
  readonly message: string;
  /** Nothing more can be written: the other repairs were not tried. */
  readonly stopped?: boolean;
}

type AttributeRepair = Extract<Repair, { kind: "attributes" }>;

const SPECIAL = 0o6000;

/**
 * Makes the repairs of findings. Modes and owners first: files cannot be put safely into a jail that others can change.
 * Only another check shows whether the repairs helped.
 */
export function fixFindings(path: ByteString, report: JailReport): FixOutcome[] {
  const wanted = report.findings.filter(({ repair }) => repair !== undefined);
  const old = withRoot(path, cacheIsOld);
  if (wanted.length === 0 && !old) return [];
  if (libc.geteuid() !== 0) {
    return [{ done: false, path, message: `${display(path)}: nothing was repaired: must be run as root` }];
  }
  const host = withRoot(path, (root) => hostDirectory(root.top.stat));
  if (host !== undefined) {
    const message = `${display(path)}: nothing was repaired: it is the host's ${host}, which cannot be a jail`;
    return [{ done: false, path, message }];
  }
  const outcomes: FixOutcome[] = [];
  const { content } = report.record;
  const isAttributes = ({ repair }: CheckFinding) => repair?.kind === "attributes";
  const attributes = unique(wanted.filter(isAttributes));
  // From the top down, each with a new root: a repair above may make one below safe.
  attributes.sort((a, b) => ((a.jailPath ?? "/") < (b.jailPath ?? "/") ? -1 : 1));
  for (const finding of attributes) {
    if (wasStopped(path, outcomes)) return outcomes;
    withRoot(path, (root) => outcomes.push(attempt(root, content, finding)));
  }
  const others = unique(wanted.filter((finding) => !isAttributes(finding)));
  if (others.length === 0 && !old) return outcomes;
  withRoot(path, (root) => {
    const unsafe = jailFindings(root)[0];
    if (unsafe !== undefined) {
      const message = `${display(path)}: nothing more was repaired, because the jail is not safe: ${unsafe.message}`;
      outcomes.push({ done: false, path, message });
      return;
    }
    for (const finding of others) {
      if (wasStopped(path, outcomes)) return;
      outcomes.push(attempt(root, content, finding));
    }
    if (wasStopped(path, outcomes)) return;
    if (old || others.some(({ jailPath }) => /\.so(?:\.|$)/.test(jailPath ?? "")))
      outcomes.push(...renewCache(root));
  });
  return outcomes;
}

/** True if nothing more can be written, or a signal has arrived; adds an outcome that says so. */
function wasStopped(path: ByteString, outcomes: FixOutcome[]): boolean {
  if (outcomes.some(({ stopped }) => stopped)) return true;
  const stop = interruption("the rest was not repaired");
  if (stop === undefined) return false;
  outcomes.push({ done: false, path, message: `${display(path)}: ${stop.message}; run this again` });
  return true;
}

/** Opens the jail again, since an open root caches. */
function withRoot<T>(path: ByteString, use: (root: JailRoot) => T): T {
  const root = openJailRoot(path);
  try {
    return use(root);
  } finally {
    closeJailRoot(root);
  }
}

function unique(findings: readonly CheckFinding[]): CheckFinding[] {
  const seen = new Set<string>();
  return findings.filter(({ jailPath, repair }) => {
    const key = JSON.stringify([jailPath, repair]);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function attempt(root: JailRoot, content: ManifestContent | undefined, finding: CheckFinding): FixOutcome {
  const { repair, path, seen } = finding;
  const jailPath = finding.jailPath ?? "/";
  try {
    const message = repair === undefined ? "" : makeRepair(root, content, jailPath, repair, seen);
    return { done: true, path, message: `${display(path)}: ${message}` };
  } catch (error) {
    const full = noRoom(error, root.path, { left: [], progress: "the rest was not repaired" });
    if (full !== undefined) return { done: false, path, message: full.message, stopped: true };
    const text = describeError(error);
    const message = text.includes(display(path)) ? text : `${display(path)}: ${text}`;
    return { done: false, path, message };
  }
}

function makeRepair(
  root: JailRoot,
  content: ManifestContent | undefined,
  path: ByteString,
  repair: Repair,
  seen: Stat | undefined,
): string {
  switch (repair.kind) {
    case "attributes":
      return changeAttributes(root, path, repair, seen);
    case "restore":
      return restoreEntries(root, content, path);
    case "own-copy":
      return makeOwnCopy(root, content, path);
    case "remove":
      return removeSpecial(root, path);
    case "password":
      updateJailAccounts(root, (accounts) => accounts.changeUser(repair.user, { password: "x" }));
      return `the password of ${display(repair.user)} is now x, which is no password`;
  }
}

function changeAttributes(
  root: JailRoot,
  path: ByteString,
  repair: AttributeRepair,
  seen: Stat | undefined,
): string {
  const { clear = 0, uid, gid } = repair;
  const stat = path === "/" ? root.top.stat : lookUp(root, path)?.stat;
  if (stat === undefined)
    throw new JailkitError("gone", 1, `${display(hostPath(root, path))}: does not exist any more`);
  // A user may have replaced it since the check, for example by a setuid program.
  if (seen === undefined ? !isDirectory(stat) : !isSameInode(stat, seen))
    throw exchanged(hostPath(root, path));
  if (uid !== undefined && isRegular(stat) && stat.uid !== 0 && stat.uid !== uid) {
    const message = `${display(hostPath(root, path))}: belongs to uid ${stat.uid}, who may have changed its contents: copy it again`;
    throw new JailkitError("users-content", 1, message);
  }
  if (!isDirectory(stat) && stat.nlink > 1) {
    // A hard link of the host's file would change that file too.
    const message = `${display(hostPath(root, path))}: has other hard links, whose mode and owner would change too`;
    throw new JailkitError("hard-link", 1, message);
  }
  const mode = (repair.mode ?? stat.mode & 0o7777) & ~clear;
  const owner = {
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  };
  if (path === "/") {
    // The jail's root is a name in the directory above it.
    const tree = openTree("/");
    try {
      setAttributes(tree, root.path, { ...owner, mode }, stat);
    } finally {
      closeJailRoot(tree);
    }
  } else setAttributes(root, path, { ...owner, mode }, stat);
  const parts = [`mode ${octal(mode)}`];
  if (uid !== undefined || gid !== undefined) parts.push(`owner ${uid ?? stat.uid}:${gid ?? stat.gid}`);
  return `now has ${parts.join(" and ")}`;
}

/** Replaces a file by a new one with the same contents, mode, owner and times, but no other attributes. */
function makeOwnCopy(root: JailRoot, content: ManifestContent | undefined, path: ByteString): string {
  const allowed = (content?.entries.get(path)?.mode ?? 0) & SPECIAL;
  const placed = withJailFile(
    root,
    path,
    (fd, { stat }) => {
      const { uid, gid, atime, mtime, size } = stat;
      const mode = modeWithoutAcl(stat.mode, aclOf(fd)) & 0o7777 & ~(SPECIAL & ~allowed);
      return putFile(root, path, { fd, size }, { uid, gid, mode, atime, mtime }, { replace: true });
    },
    { follow: false },
  );
  if (placed === undefined)
    throw new JailkitError("gone", 1, `${display(hostPath(root, path))}: does not exist any more`);
  return "is now a file of its own";
}

/** Removes a device, which holds no data. */
function removeSpecial(root: JailRoot, path: ByteString): string {
  const stat = lookUp(root, path)?.stat;
  const device = stat !== undefined && [C.S_IFCHR, C.S_IFBLK].includes(stat.mode & C.S_IFMT);
  if (!device || isDirectory(stat))
    throw new JailkitError("changed", 1, `${display(hostPath(root, path))}: is not a device any more`);
  removePath(root, path, stat);
  return "was removed";
}

/** True if an earlier run could not write the library cache. */
function cacheIsOld(root: JailRoot): boolean {
  try {
    return hasOldCache(root);
  } catch {
    // Another finding reports the error.
    return false;
  }
}

function renewCache(root: JailRoot): FixOutcome[] {
  const path = hostPath(root, "/etc/ld.so.cache");
  try {
    renewLibraryCache(root);
    return [{ done: true, path, message: `${display(path)}: was renewed` }];
  } catch (error) {
    const full = noRoom(error, root.path, { left: [], progress: "the cache of libraries was not renewed" });
    return [{ done: false, path, message: full?.message ?? describeError(error) }];
  }
}
