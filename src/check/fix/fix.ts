import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import type { Stat } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { display } from "../../cli/display.ts";
import { answered, describeError, JailkitError } from "../../cli/error.ts";
import { interruption } from "../../cli/interrupt.ts";
import { octal } from "../../cli/octal.ts";
import type { ProblemCode } from "../../cli/problem-codes.ts";
import { updateJailAccounts } from "../../jail/accounts/change-accounts.ts";
import { exchanged, isSameInode } from "../../jail/fs/attributes.ts";
import { removeLeft } from "../../jail/fs/left.ts";
import { lookUp, withJailFile, withTree } from "../../jail/fs/look.ts";
import { noJailAt } from "../../jail/fs/no-jails.ts";
import { noRoom } from "../../jail/fs/no-room.ts";
import { jailFindings } from "../../jail/fs/safety.ts";
import { hostPath, isDirectory, isRegular, type JailRoot, openJailRoot } from "../../jail/fs/walk.ts";
import { putFile, removePath, setAttributes } from "../../jail/fs/write.ts";
import type { ManifestContent } from "../../jail/record/manifest.ts";
import { isLibraryName } from "../../libraries/dependency.ts";
import { hasOldCache, renewLibraryCache } from "../../populate/apply/library-cache.ts";
import { aclOf, modeWithoutAcl } from "../../system/acl.ts";
import { COPY_ANEW } from "../../system/exchange.ts";
import { SPECIAL } from "../files/item.ts";
import type { JailReport } from "../jail.ts";
import { type CheckFinding, mayBeForged, type Repair } from "../rules.ts";
import { restoreEntries } from "./restore.ts";

/** A repair, or the reason why it failed; one printable line. */
export interface FixOutcome {
  readonly done: boolean;
  readonly path: ByteString;
  readonly message: string;
  /** Nothing more can be written: the other repairs were not tried. */
  readonly stopped?: boolean;
}

/**
 * Makes the repairs of findings. Modes and owners first: files cannot be put safely into a jail that others can change.
 * Only another check shows whether the repairs helped.
 */
export function fixFindings(path: ByteString, report: JailReport): FixOutcome[] {
  const wanted = report.findings.filter(({ repair }) => repair !== undefined);
  using before = openJailRoot(path);
  // An earlier run could not write the library cache. An error is another finding.
  const old = answered(() => hasOldCache(before)) ?? false;
  if (wanted.length === 0 && !old) return [];
  const failed = (why: string) => ({ done: false, path, message: `${display(path)}: ${why}` });
  if (libc.geteuid() !== 0) return [failed("nothing was repaired: must be run as root")];
  const host = noJailAt(before.top.stat);
  if (host !== undefined)
    return [failed(`nothing was repaired: it is the host's ${host}, which cannot be a jail`)];
  const outcomes: FixOutcome[] = [];
  const { content } = report.record;
  // What root has to read first is refused, with the reason, before anything else is.
  const isAttributes = (finding: CheckFinding) =>
    finding.repair?.kind === "attributes" || mayBeForged(finding);
  const attributes = unique(wanted.filter(isAttributes));
  // From the top down, each with a new root, since an open one caches: a repair above may make one below safe.
  attributes.sort((a, b) => ((a.jailPath ?? "/") < (b.jailPath ?? "/") ? -1 : 1));
  for (const finding of attributes) {
    if (wasStopped(path, outcomes)) return outcomes;
    using root = openJailRoot(path);
    outcomes.push(attempt(root, content, finding));
  }
  const others = unique(wanted.filter((finding) => !isAttributes(finding)));
  // What is restored needs no copy.
  others.sort((a, b) => Number(isCopy(a)) - Number(isCopy(b)));
  const restored = new Set<ByteString>();
  if (others.length === 0 && !old) return outcomes;
  using root = openJailRoot(path);
  const unsafe = jailFindings(root)[0];
  if (unsafe !== undefined) {
    outcomes.push(failed(`nothing more was repaired, because the jail is not safe: ${unsafe.message}`));
    return outcomes;
  }
  for (const finding of others) {
    if (wasStopped(path, outcomes)) return outcomes;
    if (isCopy(finding) && restored.has(finding.path)) continue;
    const outcome = attempt(root, content, finding);
    outcomes.push(outcome);
    if (outcome.done && finding.repair?.kind === "restore") restored.add(finding.path);
  }
  const libraries = old || others.some(({ jailPath = "" }) => isLibraryName(jailPath));
  if (libraries && !wasStopped(path, outcomes)) outcomes.push(renewCache(root));
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

const isCopy = ({ repair }: CheckFinding) => repair?.kind === "own-copy";

/** Repairs that do the same but for the bits that they clear are one. */
function unique(findings: readonly CheckFinding[]): CheckFinding[] {
  const bits = ({ repair }: CheckFinding) =>
    repair !== undefined && "clear" in repair ? (repair.clear ?? 0) : 0;
  const same = Map.groupBy(findings, ({ jailPath, repair }) =>
    JSON.stringify([jailPath, { ...repair, clear: 0 }]),
  );
  return [...same.values()].flatMap((all) => {
    const [first] = all;
    if (first?.repair?.kind !== "own-copy" && first?.repair?.kind !== "attributes") return first ?? [];
    return { ...first, repair: { ...first.repair, clear: all.reduce((sum, one) => sum | bits(one), 0) } };
  });
}

function attempt(root: JailRoot, content: ManifestContent | undefined, finding: CheckFinding): FixOutcome {
  const { path } = finding;
  try {
    return { done: true, path, message: `${display(path)}: ${makeRepair(root, content, finding)}` };
  } catch (error) {
    const full = noRoom(error, root.path, { left: [], progress: "the rest was not repaired" });
    if (full !== undefined) return { done: false, path, message: full.message, stopped: true };
    const text = describeError(error);
    const message = text.includes(display(path)) ? text : `${display(path)}: ${text}`;
    return { done: false, path, message };
  }
}

function makeRepair(root: JailRoot, content: ManifestContent | undefined, finding: CheckFinding): string {
  const { repair, jailPath: path = "/", seen } = finding;
  if (repair !== undefined && seen !== undefined && isRegular(seen) && mayBeForged(finding))
    throw refusal(root, path, "users-content", `others could write it: ${COPY_ANEW}`);
  switch (repair?.kind) {
    case "attributes":
      return changeAttributes(root, path, repair, seen);
    case "restore":
      return restoreEntries(root, content, path);
    case "own-copy":
      return makeOwnCopy(root, content, path, repair.clear);
    case "remove":
      return removeSpecial(root, path);
    case "leftover":
      if (!removeLeft(root, path))
        throw refusal(root, path, "not-empty", "stays: it is in use, or not as it was left");
      return "removed";
    case "password":
      updateJailAccounts(root, (accounts) => accounts.changeUser(repair.user, { password: "x" }));
      return `the password of ${display(repair.user)} is now x, which is no password`;
    case undefined:
      return "";
  }
}

/** The reason why a file is not repaired. */
const refusal = (root: JailRoot, path: ByteString, code: ProblemCode, why: string) =>
  new JailkitError(code, 1, `${display(hostPath(root, path))}: ${why}`);

function changeAttributes(
  root: JailRoot,
  path: ByteString,
  { clear = 0, uid, gid, mode: wanted }: Extract<Repair, { kind: "attributes" }>,
  seen: Stat | undefined,
): string {
  const stat = path === "/" ? root.top.stat : lookUp(root, path)?.stat;
  if (stat === undefined) throw refusal(root, path, "gone", "does not exist any more");
  // A user may have replaced it since the check, for example by a setuid program.
  if (seen === undefined ? !isDirectory(stat) : !isSameInode(stat, seen))
    throw exchanged(hostPath(root, path));
  if (uid !== undefined && isRegular(stat) && stat.uid !== 0 && stat.uid !== uid) {
    const why = `belongs to uid ${stat.uid}, who may have changed its contents: copy it again`;
    throw refusal(root, path, "users-content", why);
  }
  // A hard link of the host's file would change that file too.
  if (!isDirectory(stat) && stat.nlink > 1)
    throw refusal(root, path, "hard-link", "has other hard links, whose mode and owner would change too");
  const mode = (wanted ?? stat.mode & 0o7777) & ~clear;
  // The jail's root is a name in the directory above it.
  if (path === "/") withTree((tree) => setAttributes(tree, root.path, { uid, gid, mode }, stat));
  else setAttributes(root, path, { uid, gid, mode }, stat);
  const changed = `now has mode ${octal(mode)}`;
  if (uid === undefined && gid === undefined) return changed;
  return `${changed} and owner ${uid ?? stat.uid}:${gid ?? stat.gid}`;
}

/** Replaces a file by a new one with the same contents, mode but for `clear`, owner and times, but no other attributes. */
function makeOwnCopy(
  root: JailRoot,
  content: ManifestContent | undefined,
  path: ByteString,
  clear = 0,
): string {
  const allowed = (content?.entries.get(path)?.mode ?? 0) & SPECIAL;
  const placed = withJailFile(
    root,
    path,
    (fd, { stat }) => {
      const { uid, gid, atime, mtime, size } = stat;
      const mode = modeWithoutAcl(stat.mode, aclOf(fd)) & 0o7777 & ~(SPECIAL & ~allowed) & ~clear;
      return putFile(root, path, { fd, size }, { uid, gid, mode, atime, mtime }, { replace: true });
    },
    { follow: false },
  );
  if (placed === undefined) throw refusal(root, path, "gone", "does not exist any more");
  return "is now a file of its own";
}

/** Removes a device, which holds no data. */
function removeSpecial(root: JailRoot, path: ByteString): string {
  const stat = lookUp(root, path)?.stat;
  if (stat === undefined || ![C.S_IFCHR, C.S_IFBLK].includes(stat.mode & C.S_IFMT))
    throw refusal(root, path, "changed", "is not a device any more");
  removePath(root, path, stat);
  return "was removed";
}

function renewCache(root: JailRoot): FixOutcome {
  const path = hostPath(root, "/etc/ld.so.cache");
  try {
    renewLibraryCache(root);
    return { done: true, path, message: `${display(path)}: was renewed` };
  } catch (error) {
    const full = noRoom(error, root.path, { left: [], progress: "the cache of libraries was not renewed" });
    return { done: false, path, message: full?.message ?? describeError(error) };
  }
}
