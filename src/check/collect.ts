import type { ByteString } from "../../ffi/bytes.ts";
import { isErrno } from "../../ffi/error.ts";
import type { Stat } from "../../ffi/files.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import { hostSystemOf, outsidePathOf } from "../jail/fs/host-mounts.ts";
import { liveState } from "../jail/fs/live-mounts.ts";
import { jailMounts } from "../jail/fs/unmount.ts";
import { hostPath, isDirectory, isLink, isRegular, type JailRoot } from "../jail/fs/walk.ts";
import type { ManifestContent, ManifestEntry } from "../jail/record/manifest.ts";
import { othersFile } from "../populate/others-files.ts";
import { below } from "../system/mountinfo.ts";
import { barrierFindings } from "./files/barriers.ts";
import { type Counterpart, counterpartOf, hostDevice, kernelTest } from "./files/counterpart.ts";
import { driftOf, isGenerated, missingFindings, type SourceGone } from "./files/drift.ts";
import { HardLinks, hardLinkFindings } from "./files/hard-links.ts";
import type { Item } from "./files/item.ts";
import { Leftovers } from "./files/leftovers.ts";
import { isProgram, type Program } from "./files/libraries.ts";
import { permissionFindings } from "./files/permissions.ts";
import { namedFileFindings, programFindings } from "./files/programs.ts";
import type { Spaces } from "./files/spaces.ts";
import { specialFindings } from "./files/special.ts";
import { symlinkFindings } from "./files/symlinks.ts";
import { type Barrier, type WalkEntry, type WalkHandlers, walkJail } from "./files/walk.ts";
import { FindingList } from "./finding-list.ts";
import type { InnerJails } from "./inner-jails.ts";
import { type CheckFinding, type CheckProblem, unreadable } from "./rules.ts";
import type { JailSettings, PathTest } from "./settings.ts";

interface CollectContext {
  readonly root: JailRoot;
  readonly settings: JailSettings;
  readonly spaces: Spaces;
  /** Undefined for a jail without a record. */
  readonly content: ManifestContent | undefined;
  readonly primaryGroup: (uid: number) => number | undefined;
  readonly knownUid: (uid: number) => boolean;
  readonly servedSocket: PathTest;
  readonly inner: InnerJails;
  readonly hostDirectory: (stat: Stat) => ByteString | undefined;
  readonly verbose: (line: ByteString) => void;
}

interface Pending {
  readonly item: Item;
  readonly counterpart: Counterpart;
  /** The finding if they differ. */
  readonly finding: CheckFinding;
}

/** Walks the jail once and applies all rules except those about contents and dependencies. */
export function collect(context: CollectContext): Collected {
  const collected = new Collected(context);
  walkJail(context.root, context.spaces, collected);
  collected.finish();
  return collected;
}

/** The result of a walk, and the checks that remain. */
export class Collected implements WalkHandlers {
  readonly findings = new FindingList();
  readonly problems: CheckProblem[] = [];
  readonly pending: Pending[] = [];
  /** Files whose source on the host is missing. */
  readonly gone: { readonly item: Item; readonly gone: SourceGone }[] = [];
  readonly programs: Program[] = [];
  /** Files of system directories that the host has too, but not the record. */
  readonly strangers = new Map<ByteString, Item>();
  /** The number of items. */
  objects = 0;
  readonly hostDirectory: WalkHandlers["hostDirectory"];
  readonly #context: CollectContext;
  readonly #isOfKernel = kernelTest();
  readonly #hardLinks = new HardLinks();
  readonly #leftovers = new Leftovers();
  /** Paths that exist, of those in the record. */
  readonly #present = new Set<ByteString>();
  /** Paths below which nothing was checked. */
  readonly #barriers: ByteString[] = [];
  /** Files of users in the place of those that were asked for, as the record has them. */
  readonly #others: ReadonlySet<ByteString>;
  /** The paths of other jails in it that were entered, on the host. */
  readonly #inside: ByteString[] = [];
  /** Paths where a file of another type replaced the recorded one. */
  readonly #replaced: ByteString[] = [];

  constructor(context: CollectContext) {
    this.#context = context;
    this.hostDirectory = context.hostDirectory;
    this.#others = new Set(context.content?.others);
  }

  hostMount(path: ByteString, stat: Stat): ByteString | undefined {
    return hostSystemOf(this.#context.root, { path, stat });
  }

  innerJail(path: ByteString, stat: Stat): boolean {
    const { root, inner } = this.#context;
    const where = hostPath(root, path);
    if (!inner.isKnown(where, stat)) return false;
    if (inner.isWhole(where, stat)) return true;
    // Whoever can put a directory there could hide files in it.
    this.#inside.push(where);
    this.findings.add(...barrierFindings(root.path, path, where, { kind: "jail", entered: true }));
    return false;
  }

  /** True for a finding about a file in another jail, or in what may be one, that is not in the record of this one. */
  isInside({ rule, path, jailPath }: CheckFinding): boolean {
    if (this.#inside.length === 0 || rule === "inner-jail") return false;
    const isOwn = jailPath !== undefined && this.#context.content?.entries.has(jailPath);
    return !isOwn && this.#inside.some((jail) => below(path, jail) !== undefined);
  }

  outside(path: ByteString, stat: Stat): ByteString | undefined {
    return outsidePathOf(this.#context.root, { path, stat });
  }

  ignored(path: ByteString): boolean {
    const { settings, root } = this.#context;
    return settings.everywhere(hostPath(root, path));
  }

  /** True for a file in /proc or /sys that neither the record nor jk_check.ini names, unless something is mounted there. */
  copied(path: ByteString): boolean {
    const { root, content } = this.#context;
    if (content?.entries.has(path) || this.#isExcluded(path)) return false;
    const top = `${directoryOf(path)}/`;
    return !jailMounts(root.path).some((mount) => mount.path.startsWith(top));
  }

  seen(entry: WalkEntry): void {
    try {
      this.objects++;
      if (!this.#leftovers.take(entry)) this.#check(entry);
    } catch (error) {
      this.#addProblem(entry.path, error);
    }
  }

  barrier(path: ByteString, barrier: Barrier): void {
    this.#barriers.push(path);
    this.#present.add(path);
    const { root, content } = this.#context;
    const isLive = barrier.kind === "mounted" && content?.live?.includes(path);
    if (isLive && liveState(root, path) === "mounted") return;
    // The record has findings of its own about these.
    if (barrier.kind === "mounted" && content?.sockets?.includes(path)) return;
    this.findings.add(...barrierFindings(root.path, path, hostPath(root, path), barrier));
  }

  failed(path: ByteString, error: unknown): void {
    // A user may remove a file during the walk; recorded files are reported as missing later.
    if (isErrno(error, "ENOENT")) return;
    this.#present.add(path);
    this.#barriers.push(path);
    this.#addProblem(path, error);
  }

  /** Adds the findings that need the whole walk. */
  finish(): void {
    const { content, root } = this.#context;
    // One by one: there may be millions.
    for (const one of hardLinkFindings(this.#context, this.#hardLinks)) this.findings.add(one);
    this.findings.add(...this.#leftovers.findings(root));
    if (content === undefined) return;
    const wasSeen = (path: ByteString) =>
      this.#present.has(path) ||
      this.#isExcluded(path) ||
      this.#barriers.some((barrier) => path.startsWith(`${barrier}/`));
    const entries = content.entries.values();
    this.findings.add(...missingFindings(entries, this.#replaced, wasSeen, (path) => hostPath(root, path)));
  }

  #isExcluded(path: ByteString): boolean {
    const { root, settings } = this.#context;
    const place = hostPath(root, path);
    return settings.everywhere(place) || settings.compare(place);
  }

  #addProblem(path: ByteString, error: unknown): void {
    const shown = hostPath(this.#context.root, path);
    const problem = unreadable(shown, error);
    const named = problem.message.includes(display(shown));
    this.problems.push(named ? problem : unreadable(shown, error, `${display(shown)}: `));
  }

  #check(seen: WalkEntry): void {
    const item = this.#itemOf(seen);
    const { path, entry } = item;
    const { root, content, servedSocket, verbose } = this.#context;
    narrate(item, verbose);
    const recordKept = content !== undefined;
    this.#add(item, permissionFindings(item));
    if (this.#others.has(seen.path)) this.#add(item, othersFindings(item, root.path));
    this.#add(item, specialFindings(item, { hostDevice: hostDevice(item), servedSocket, recordKept }));
    if (seen.target === undefined && !isDirectory(seen.stat)) {
      this.#add(item, programFindings(seen.path, path));
      // If it is recorded, somebody requested it.
      if (entry === undefined) this.#add(item, namedFileFindings(seen.path, path));
    }
    // A file that was given to root stays root's, even in a directory that users can write.
    if (seen.space === "user" && seen.target === undefined && entry?.uid !== 0) {
      if (isRegular(seen.stat)) this.#hardLinks.add(seen.path, seen.stat);
      return;
    }
    const counterpart = counterpartOf(item);
    if (seen.target !== undefined) {
      const expected = seen.space === "user" ? undefined : (entry?.target ?? counterpart.target);
      this.#add(item, symlinkFindings(root, seen.path, seen.target, expected));
    }
    this.#compare(item, counterpart);
    if (!isRegular(seen.stat)) return;
    this.#hardLinks.add(seen.path, seen.stat);
    if (isProgram(seen.path, seen.stat.mode))
      this.programs.push({
        path: seen.path,
        source: counterpart.path,
        requested: isRequested(seen.path, entry),
      });
  }

  #itemOf(seen: WalkEntry): Item {
    const { root, content, settings, primaryGroup, knownUid } = this.#context;
    const entry = content?.entries.get(seen.path);
    if (entry !== undefined) this.#present.add(seen.path);
    return { seen, path: hostPath(root, seen.path), entry, settings, primaryGroup, knownUid };
  }

  #add({ seen }: Item, findings: readonly CheckFinding[]): void {
    const { uid } = seen.stat;
    if (seen.space === "user") this.findings.addOf(this.#context.knownUid(uid) ? uid : "unknown", findings);
    else this.findings.add(...findings);
  }

  #compare(item: Item, counterpart: Counterpart): void {
    const { content, settings } = this.#context;
    const recordKept = content !== undefined;
    const drift = this.#isOfKernel(counterpart)
      ? driftOf(asOwn(item), { ...counterpart, stat: undefined, target: undefined }, recordKept)
      : driftOf(item, counterpart, recordKept);
    if (drift.findings.some(({ rule }) => rule === "different-type")) this.#replaced.push(item.seen.path);
    this.findings.add(...drift.findings);
    if (drift.compare !== undefined) this.pending.push({ item, counterpart, finding: drift.compare });
    if (drift.gone !== undefined) this.gone.push({ item, gone: drift.gone });
    const { seen, entry, path } = item;
    // A file of another owner is reported, and is not recorded before root has it.
    if (!recordKept || entry !== undefined || seen.space !== "system" || seen.stat.uid !== 0) return;
    const both = isRegular(seen.stat) && counterpart.stat !== undefined;
    if (both && drift.findings.length === 0 && !settings.compare(path) && !isGenerated(seen.path))
      this.strangers.set(seen.path, item);
  }
}

/** It is the host's again if root has it. */
function othersFindings({ seen, path, settings }: Item, jail: ByteString): CheckFinding[] {
  const { uid } = seen.stat;
  if (uid === 0 || settings.compare(path)) return [];
  const message = othersFile(jail, seen.path, uid);
  return [{ rule: "others-file", path, jailPath: seen.path, message }];
}

/** True for an operand of jk_cp. If nothing is known about a file: if it is in a directory of programs. */
function isRequested(path: ByteString, entry: ManifestEntry | undefined): boolean {
  if (entry === undefined) return /\/s?bin$/.test(directoryOf(path));
  return entry.reason !== "tree" && entry.sections.some((name) => name.startsWith("/"));
}

/** The item as one without a source: nothing can be compared with a file that the kernel makes up. */
function asOwn(item: Item): Item {
  return { ...item, entry: item.entry && { ...item.entry, source: undefined } };
}

/** The lines of jailkit 2 with -v. */
function narrate({ seen, path, settings }: Item, verbose: (line: ByteString) => void): void {
  if (isDirectory(seen.stat)) verbose(`testing directory permissions for ${path.replace(/\/*$/, "/")}`);
  else if (isRegular(seen.stat)) {
    if (!settings.compare(path)) verbose(`comparing  ${path} and ${seen.path}`);
    verbose(`testing file permissions for ${path}`);
  } else if (!isLink(seen.stat)) verbose(`ignoring path ${path}`);
}
