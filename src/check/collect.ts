import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { close, openIfPresent, readLink, type Stat, sameFile, statIfPresent } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { describeError } from "../cli/error.ts";
import { shellWord } from "../cli/shell-word.ts";
import { hostPath, isDirectory, isLink, isRegular, type JailRoot } from "../jail/fs/walk.ts";
import type { ManifestContent } from "../jail/record/manifest.ts";
import { type Counterpart, driftOf, type Gone, isGenerated, missingFindings } from "./files/drift.ts";
import { collectLeftovers } from "./files/leftovers.ts";
import { isProgram, type Program } from "./files/libraries.ts";
import { countHardLinks, type HardLinks, linkFindings } from "./files/links.ts";
import { type Judged, permissionFindings } from "./files/permissions.ts";
import { namedFileFindings, programFindings } from "./files/programs.ts";
import type { Spaces } from "./files/spaces.ts";
import { specialFindings } from "./files/special.ts";
import { type Barrier, type Seen, walkJail } from "./files/walk.ts";
import { createFindingList, type FindingList } from "./finding-list.ts";
import { asksForHardLinks } from "./record.ts";
import type { CheckFinding, CheckProblem } from "./rules.ts";
import type { JailSettings, PathTest } from "./settings.ts";

/** What a walk through a jail is judged by. */
export interface CollectContext {
  readonly root: JailRoot;
  readonly settings: JailSettings;
  readonly spaces: Spaces;
  /** Undefined for a jail without a record. */
  readonly content: ManifestContent | undefined;
  readonly primaryGroup: (uid: number) => number | undefined;
  readonly knownUid: (uid: number) => boolean;
  readonly servedSocket: PathTest;
  readonly hostDirectory: (stat: Stat) => ByteString | undefined;
  readonly verbose: (line: ByteString) => void;
}

/** Two files whose contents decide. */
export interface Pending {
  readonly judged: Judged;
  readonly counterpart: Counterpart;
  /** What to say if they differ. */
  readonly finding: CheckFinding;
}

/** What a walk has found, and what is still to be looked into. */
export interface Collected {
  readonly findings: FindingList;
  readonly problems: CheckProblem[];
  readonly pending: Pending[];
  readonly gone: { readonly judged: Judged; readonly gone: Gone }[];
  readonly programs: Program[];
  /** Files of system directories that are on the host too, and not in the record. */
  readonly strangers: Map<ByteString, Judged>;
  /** How many things were seen. */
  objects: number;
}

/** Walks the jail once and judges all that is in it, but for the contents of files and what programs need. */
export function collect(context: CollectContext): Collected {
  const { root, settings, content, verbose } = context;
  const result: Collected = {
    findings: createFindingList(),
    problems: [],
    pending: [],
    gone: [],
    programs: [],
    strangers: new Map(),
    objects: 0,
  };
  const links = countHardLinks();
  const leftovers = collectLeftovers(root);
  const seenPaths = new Set<ByteString>();
  const barriers: ByteString[] = [];
  const exchanged: ByteString[] = [];

  function see(seen: Seen): void {
    result.objects++;
    if (leftovers.take(seen)) return;
    const entry = content?.entries.get(seen.path);
    if (entry !== undefined) seenPaths.add(seen.path);
    const path = hostPath(root, seen.path);
    const { primaryGroup, knownUid } = context;
    const judged: Judged = { seen, path, entry, settings, primaryGroup, knownUid };
    narrate(judged, verbose);
    const add = (...findings: readonly CheckFinding[]): void => {
      if (seen.space === "user") result.findings.addOf(seen.stat.uid, findings);
      else result.findings.add(...findings);
    };
    add(...permissionFindings(judged));
    add(...specialFindings(judged, { ...context, ...hostDevice(seen), recordKept: content !== undefined }));
    if (seen.target === undefined && !isDirectory(seen.stat)) {
      add(...programFindings(seen.path, path));
      // What is recorded was put there by somebody who wanted it.
      if (entry === undefined) add(...namedFileFindings(seen.path, path));
    }
    // What was given to root stays root's, whoever may write the directory.
    if (seen.space === "user" && seen.target === undefined && entry?.uid !== 0) {
      if (isRegular(seen.stat)) links.add(seen.path, seen.stat);
      return;
    }
    const counterpart = counterpartOf(judged);
    if (seen.target !== undefined) add(...judgeLink(context, judged, seen.target, counterpart));
    compare(judged, counterpart);
    if (!isRegular(seen.stat)) return;
    links.add(seen.path, seen.stat);
    if (isProgram(seen.path, seen.stat.mode)) {
      result.programs.push({ path: seen.path, source: counterpart.path });
    }
  }

  function compare(judged: Judged, counterpart: Counterpart): void {
    const drift = driftOf(judged, counterpart, content !== undefined);
    if (drift.findings.some(({ rule }) => rule === "different-type")) exchanged.push(judged.seen.path);
    result.findings.add(...drift.findings);
    if (drift.compare !== undefined) result.pending.push({ judged, counterpart, finding: drift.compare });
    if (drift.gone !== undefined) result.gone.push({ judged, gone: drift.gone });
    const { seen, entry, path } = judged;
    if (content === undefined || entry !== undefined || seen.space !== "system") return;
    const both = isRegular(seen.stat) && counterpart.stat !== undefined;
    if (both && drift.findings.length === 0 && !settings.compare(path) && !isGenerated(seen.path))
      result.strangers.set(seen.path, judged);
  }

  walkJail(root, context.spaces, {
    ignored: (path) => settings.everywhere(hostPath(root, path)),
    hostDirectory: context.hostDirectory,
    seen(thing) {
      try {
        see(thing);
      } catch (error) {
        result.problems.push(problemOf(root, thing.path, error));
      }
    },
    barrier(path, barrier) {
      barriers.push(path);
      seenPaths.add(path);
      result.findings.add(...barrierFindings(path, hostPath(root, path), barrier));
    },
    failed(path, error) {
      // A user may remove what is about to be looked at; what the record has is missed below.
      if (!isErrno(error, "ENOENT")) {
        seenPaths.add(path);
        barriers.push(path);
        result.problems.push(problemOf(root, path, error));
      }
    },
  });
  result.findings.add(...hardLinkFindings(context, links), ...leftovers.findings());
  if (content !== undefined) {
    const isLookedAt = (path: ByteString) =>
      seenPaths.has(path) ||
      settings.everywhere(hostPath(root, path)) ||
      settings.compare(hostPath(root, path)) ||
      barriers.some((barrier) => path.startsWith(`${barrier}/`));
    result.findings.add(
      ...missingFindings(content.entries.values(), exchanged, isLookedAt, (path) => hostPath(root, path)),
    );
  }
  return result;
}

function problemOf(root: JailRoot, path: ByteString, error: unknown): CheckProblem {
  const shown = hostPath(root, path);
  const text = describeError(error);
  const message = text.includes(display(shown)) ? text : `${display(shown)}: ${text}`;
  return { code: "unreadable", path: shown, message };
}

/** What jailkit 2 told with -v. */
function narrate({ seen, path, settings }: Judged, verbose: (line: ByteString) => void): void {
  if (isDirectory(seen.stat)) verbose(`testing directory permissions for ${path.replace(/\/*$/, "/")}`);
  else if (isRegular(seen.stat)) {
    if (!settings.compare(path)) verbose(`comparing  ${path} and ${seen.path}`);
    verbose(`testing file permissions for ${path}`);
  } else if (!isLink(seen.stat)) verbose(`ignoring path ${path}`);
}

function hostDevice({ stat, path }: Seen): { hostDevice: Stat | undefined } {
  const type = stat.mode & C.S_IFMT;
  if (type !== C.S_IFCHR && type !== C.S_IFBLK) return { hostDevice: undefined };
  const there = onHost(path, true);
  const device = there !== undefined && [C.S_IFCHR, C.S_IFBLK].includes(there.mode & C.S_IFMT);
  return { hostDevice: device ? there : undefined };
}

/** What stands at a path of the host; a user may nest so deep that the kernel takes it for no path. */
function onHost(path: ByteString, follow = false): Stat | undefined {
  try {
    return statIfPresent(C.AT_FDCWD, path, follow);
  } catch (error) {
    if (isErrno(error, "ENAMETOOLONG")) return undefined;
    throw error;
  }
}

function counterpartOf({ seen, entry }: Judged): Counterpart {
  const path = entry?.source ?? seen.path;
  // Nothing is asked of a directory's.
  if (isDirectory(seen.stat) && (entry === undefined || entry.type === "directory"))
    return { path, stat: undefined, target: undefined };
  const stat = onHost(path);
  return { path, stat, target: stat !== undefined && isLink(stat) ? readLink(C.AT_FDCWD, path) : undefined };
}

function judgeLink(
  { root }: CollectContext,
  { seen, entry }: Judged,
  target: ByteString,
  counterpart: Counterpart,
): CheckFinding[] {
  return linkFindings(seen.path, target, {
    root,
    expected: seen.space === "user" ? undefined : (entry?.target ?? counterpart.target),
    inJail: isThere((path) => {
      const resolve = C.RESOLVE_IN_ROOT | C.RESOLVE_NO_MAGICLINKS;
      const fd = openIfPresent(root.fd, path.slice(1), C.O_PATH, resolve);
      if (fd !== undefined) close(fd);
      return fd !== undefined;
    }),
    onHost: isThere((path) => statIfPresent(C.AT_FDCWD, path) !== undefined),
  });
}

/** A user may write any text into a link: what the kernel takes for no path leads nowhere. */
function isThere(look: (path: ByteString) => boolean): (path: ByteString) => boolean {
  return (path) => {
    try {
      return look(path);
    } catch (error) {
      if (isErrno(error, "ENAMETOOLONG", "ELOOP", "EACCES", "ENOTDIR")) return false;
      throw error;
    }
  };
}

function barrierFindings(jailPath: ByteString, path: ByteString, barrier: Barrier): CheckFinding[] {
  const common = { path, jailPath };
  const shown = display(path);
  switch (barrier.kind) {
    case "host": {
      const message = `${shown} is the host's ${display(barrier.what)}: it is not looked into`;
      return [{ ...common, rule: "host-directory", message, remedy: `umount ${shellWord(path)}` }];
    }
    case "deep":
      return [{ ...common, rule: "too-deep", message: `${shown} is nested too deep: it is not looked into` }];
    case "kernel": {
      // Both are usual in a jail, and show what belongs to its own users or is to be seen by all.
      if (barrier.type === "devpts" || (barrier.type === "proc" && barrier.readOnly)) return [];
      if (barrier.type === "proc") {
        const message = `${shown} is a mounted proc that can be written: a server can be told to write its own memory`;
        return [
          {
            ...common,
            rule: "proc-writable",
            message,
            remedy: `mount -o remount,bind,ro ${shellWord(path)}`,
          },
        ];
      }
      const message = `${shown} is a mounted ${barrier.type}, which shows the kernel to the jail`;
      return [{ ...common, rule: "dangerous-mount", message, remedy: `umount ${shellWord(path)}` }];
    }
    case "fuse":
      return [];
  }
}

/** Names outside the jail share content, owner and mode with what is in it. */
function hardLinkFindings({ root, content, settings }: CollectContext, links: HardLinks): CheckFinding[] {
  const findings: CheckFinding[] = [];
  const unexplained: ByteString[] = [];
  const asked = content !== undefined && asksForHardLinks(content);
  for (const { stat, paths } of links.outside()) {
    const first = paths[0] ?? "";
    const entry = content?.entries.get(first);
    const source = entry?.source ?? first;
    const there = onHost(source);
    const shared = there !== undefined && sameFile(there, stat);
    if (shared && (asked || entry?.hardLink === true)) continue;
    if (shared && content === undefined) {
      unexplained.push(...paths);
      continue;
    }
    const where = shared
      ? `is the same file as the host's ${display(source)}`
      : "has a name outside the jail";
    for (const jailPath of paths) {
      const path = hostPath(root, jailPath);
      if (settings.compare(path)) continue;
      const message = `${display(path)} ${where}, which nothing asked for`;
      findings.push({ rule: "hard-link", path, jailPath, message, repair: { kind: "own-copy" } });
    }
  }
  if (unexplained.length > 0) {
    const files = unexplained.length === 1 ? "1 file is" : `${unexplained.length} files are`;
    const first = display(hostPath(root, unexplained[0] ?? "/"));
    const message = `${files} hard links of the host's in ${display(root.path)}, such as ${first}, and no record tells that they were asked for (-k)`;
    findings.push({ rule: "hard-link", path: root.path, message });
  }
  return findings;
}
