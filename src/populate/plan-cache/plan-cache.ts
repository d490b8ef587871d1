import { type ByteString, fromBytes, toBytes } from "../../../ffi/bytes.ts";
import { attempt, SystemError } from "../../../ffi/error.ts";
import { entriesOf, isEmptyDirectory, readAllFd, readFile } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { JailkitError } from "../../cli/error.ts";
import { VERSION } from "../../cli/version.ts";
import { lookUp, withJailFile, withTree } from "../../jail/fs/look.ts";
import { type JailRoot, withDirectory } from "../../jail/fs/walk.ts";
import { putFile } from "../../jail/fs/write.ts";
import { makeOwnDirectory, registryExists, removeOwn } from "../../jail/record/registry.ts";
import { nativeProcessor } from "../../libraries/search/hwcaps.ts";
import type { Entry, Want } from "../entry.ts";
import type { FileSystem } from "../file-system.ts";
import type { Companions } from "../plan/companion.ts";
import type { Draft } from "../plan/draft.ts";
import { jailTrees } from "../plan/forbidden.ts";
import { restorePlan, storePlan } from "./stored-plan.ts";
import { hostStateOf, type Trace, type Watched } from "./trace.ts";

/** The plans of earlier jails. Only root can read it. */
export const PLANS = "/var/lib/jailkit/plans";

const SELF = "/proc/self/exe";
const LARGEST = 1 << 26;
// Below this the plan is quicker than the file.
const WORTHWHILE = 500;
const MOST_PLANS = 8;
// The clock of a file system is coarse: what was changed just now can change again without a sign.
const SETTLED = 2;
// In milliseconds; a clock that is adjusted slowly stays far below.
const MOST_DRIFT = 1000;

// After a crash a file can have new content and an old ctime. "": proc(5) is not mounted.
const bootId = () => attempt(() => fromBytes(readFile("/proc/sys/kernel/random/boot_id", 64))) ?? "";

// Of one run; each has a few hundred kilobytes.
const MOST_HELD = 64;

let held: Map<ByteString, { readonly bytes: Uint8Array; isStored: boolean }> | undefined;

/**
 * From now on, dry runs of this process keep the plans of jails that do not exist, for the runs that follow. They are held
 * in memory, since a dry run writes nothing.
 */
export function holdPlans(): void {
  held ??= new Map();
}

/** True after holdPlans. */
export const holdsPlans = (): boolean => held !== undefined;

const sha256 = (bytes: Uint8Array | string): string =>
  new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

/** The second line of a file, after the sum of all that follows. After it come the watched paths, and the plan. */
interface Head {
  /** Of the host when the plan was made. */
  readonly digest: string;
  /** The length of each list of watched paths. */
  readonly lengths: readonly number[];
  /** Mounts: the path of a file, and what is withheld there. */
  readonly withheld: readonly (readonly [path: ByteString, devices: boolean, setuid: boolean])[];
}

/** What a plan for an empty jail depends on, besides the files of the host. */
export interface PlanQuestion {
  readonly jail: ByteString;
  readonly wants: readonly Want[];
  readonly companions: Companions;
  /** A view that tells nobody what it reads. */
  readonly host: FileSystem;
}

/**
 * Keeps plans for empty jails, since the next jail mostly has the same sections. A plan is used again only if every path of
 * the host that it looked at is as it was: the same inode with the same attributes and, for files, links and listed
 * directories, the same ctime. Only plans on which nobody but root has an influence are kept. What changed after it was
 * looked at has another ctime than the one that is kept.
 */
export class PlanCache {
  readonly #file: ByteString;
  readonly #directory: ByteString;
  readonly #started: number;
  readonly #clock: () => number;
  readonly #boot: string;
  #used: Draft | undefined;

  constructor(
    private readonly trace: Trace,
    readonly question: PlanQuestion,
    { directory = PLANS, started = performance.timeOrigin / 1000, clock = Date.now, boot = bootId() } = {},
  ) {
    this.#directory = directory;
    this.#started = started;
    this.#clock = clock;
    this.#boot = boot;
    const name = sha256(JSON.stringify([VERSION, boot, nativeProcessor(), question.wants])).slice(0, 32);
    this.#file = `${directory}/${name}`;
    // Another jailkit may plan otherwise.
    trace.saw(SELF, true, question.host.stat(SELF));
  }

  /**
   * The plan of an earlier jail; undefined if there is none, or if something changed. `found`: gets the entries of one
   * before it is compared with the host, which takes a while.
   */
  read(found: (entries: readonly Entry[]) => void): Draft | undefined {
    return this.#readHeld(found) ?? this.#restore(() => this.#readFile(), found);
  }

  #readHeld(found: (entries: readonly Entry[]) => void = () => undefined): Draft | undefined {
    const plan = this.#restore(() => held?.get(this.#file)?.bytes, found);
    if (plan === undefined) held?.delete(this.#file);
    return plan;
  }

  #restore(
    read: () => Uint8Array | undefined,
    found: (entries: readonly Entry[]) => void,
  ): Draft | undefined {
    try {
      const bytes = read();
      if (bytes === undefined) return undefined;
      this.#used = this.#parse(bytes, found);
      return this.#used;
    } catch (error) {
      // The plan is made anew.
      if (error instanceof JailkitError || error instanceof SystemError) return undefined;
      throw error;
    }
  }

  /** The plans of dry runs of this process, for another one; undefined if none are held. */
  get held() {
    if (held === undefined) return undefined;
    const hold = (plan: Draft) => {
      const bytes = plan === this.#used ? undefined : this.#bytesOf(plan);
      if (bytes !== undefined && (held?.size ?? 0) < MOST_HELD)
        held?.set(this.#file, { bytes, isStored: false });
    };
    return { read: () => this.#readHeld(), hold };
  }

  /** Keeps a new plan for the next jail, if that is possible. A failure has no effect but the time that the next plan takes. */
  save(plan: Draft): void {
    if (plan.entries.length < WORTHWHILE) return;
    const before = plan === this.#used ? held?.get(this.#file) : undefined;
    if (plan === this.#used && before?.isStored !== false) return;
    // One that was used was compared with the host.
    const bytes = before?.bytes ?? this.#bytesOf(plan);
    if (bytes === undefined) return;
    if (before !== undefined) before.isStored = true;
    try {
      withTree((tree) => this.#write(tree, bytes));
    } catch (error) {
      if (!(error instanceof JailkitError || error instanceof SystemError)) throw error;
    }
  }

  /** What is kept of a new plan; undefined if it cannot be used again. */
  #bytesOf(plan: Draft): Uint8Array | undefined {
    if (this.#boot === "" || !isKept(plan) || this.#clockWasSet()) return undefined;
    const seen = this.trace.watched();
    if (seen === undefined || seen.state.newest >= this.#started - SETTLED) return undefined;
    const head: Head = {
      digest: seen.state.digest,
      lengths: seen.watched.map((list) => list.length),
      withheld: [...this.trace.withheld].map(([path, { devices, setuid }]) => [path, devices, setuid]),
    };
    const content = Buffer.concat([
      toBytes(`${JSON.stringify(head)}\n`),
      ...seen.watched,
      toBytes(storePlan(plan)),
    ]);
    if (content.length > LARGEST / 2) return undefined;
    return Buffer.concat([toBytes(`${sha256(content)}\n`), content]);
  }

  /** True if times before and after the start of this process cannot be compared. */
  #clockWasSet(): boolean {
    const expected = performance.timeOrigin + performance.now();
    return Math.abs(this.#clock() - expected) > MOST_DRIFT;
  }

  #readFile(): Uint8Array | undefined {
    return withTree((tree) => {
      if (!registryExists(tree, this.#directory)) return undefined;
      return withJailFile(
        tree,
        this.#file,
        (fd, { stat: { uid, mode } }) =>
          uid === libc.geteuid() && (mode & 0o022) === 0 ? readAllFd(fd, LARGEST) : undefined,
        { follow: false },
      );
    });
  }

  #parse(bytes: Uint8Array, found: (entries: readonly Entry[]) => void): Draft | undefined {
    const start = bytes.indexOf(10) + 1;
    const content = bytes.subarray(start);
    // The file may be damaged; nobody but root can write it.
    if (fromBytes(bytes, 0, start) !== `${sha256(content)}\n`) return undefined;
    const end = content.indexOf(10);
    const head = JSON.parse(fromBytes(content, 0, end)) as Head;
    const { jail, host, companions } = this.question;
    let at = end + 1;
    const part = (length: number): Uint8Array => {
      at += length;
      return content.subarray(at - length, at);
    };
    const watched = head.lengths.map(part) as unknown as Watched;
    const plan = restorePlan(fromBytes(content, at), companions);
    found(plan.entries);
    const isWithheld = head.withheld.every(([path, devices, setuid]) => {
      const now = host.withheld(path);
      return now.devices === devices && now.setuid === setuid;
    });
    if (!isWithheld) return undefined;
    if (hostStateOf(watched).digest !== head.digest) return undefined;
    const isOfJail = jailTrees(host, jail);
    const stats = [...plan.trees].map((path) => host.stat(path));
    return stats.some((stat) => stat === undefined || isOfJail(stat)) ? undefined : plan;
  }

  #write(tree: JailRoot, bytes: Uint8Array): void {
    makeOwnDirectory(tree, this.#directory);
    this.#removeOldest(tree);
    const attributes = { uid: libc.geteuid(), gid: libc.getegid(), mode: 0o600 };
    putFile(tree, this.#file, bytes, attributes, { replace: true });
  }

  /** Makes room for one more. */
  #removeOldest(tree: JailRoot): void {
    const names = withDirectory(tree, this.#directory, ({ fd }) => entriesOf(fd));
    const files = names.flatMap(({ name }) => {
      const path = `${this.#directory}/${name}`;
      const found = path === this.#file ? undefined : lookUp(tree, path);
      return found === undefined ? [] : [{ path, mtime: found.stat.mtime }];
    });
    files.sort((a, b) => Number(b.mtime - a.mtime));
    // A directory with something in it stays.
    for (const { path } of files.slice(MOST_PLANS - 1)) attempt(() => removeOwn(tree, path));
  }
}

/** The plans of earlier jails, if the jail is empty, and not live. */
export function cacheFor(
  root: JailRoot | undefined,
  live: readonly ByteString[],
  plans: PlanCache | undefined,
): PlanCache | undefined {
  if (root === undefined || live.length > 0 || plans === undefined) return undefined;
  return isEmptyDirectory(root.fd) ? plans : undefined;
}

/** Those of dry runs of this process, for a dry run about a jail that does not exist, and is not to be live. */
export function heldFor(
  root: JailRoot | undefined,
  live: readonly ByteString[],
  plans: PlanCache | undefined,
  { dryRun, why }: { readonly dryRun: boolean; readonly why?: ByteString | undefined },
): PlanCache["held"] {
  return dryRun && why === undefined && root === undefined && live.length === 0 ? plans?.held : undefined;
}

/** True for a plan without problems on which only root has an influence. */
function isKept({ entries, problems, unsafe, leftOut, dependsOnJail }: Draft): boolean {
  const isPlain = problems.length === 0 && unsafe === undefined && leftOut.size === 0 && !dependsOnJail;
  return isPlain && entries.every(({ type, untrusted }) => untrusted === undefined || type === "device");
}
