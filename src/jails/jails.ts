import type { ByteString } from "../../ffi/bytes.ts";
import { isMissing, mayBeDirectory } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { answered, describeError, isReported } from "../cli/error.ts";
import { type Remedy, told } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import { type JailedUser, jailedUsers, namesOf, usersByJail } from "../jail/accounts/jailed-users.ts";
import { knownServiceUsers } from "../jail/accounts/service-users.ts";
import { linkIn } from "../jail/fs/leads-into.ts";
import { lackingMounts } from "../jail/fs/live-mounts.ts";
import { withOneTree, withTree } from "../jail/fs/look.ts";
import { jailFindings } from "../jail/fs/safety.ts";
import { mountRemedy } from "../jail/fs/unmounted.ts";
import { type JailRoot, openJailRoot } from "../jail/fs/walk.ts";
import { busyText, workerOf } from "../jail/record/at-work.ts";
import {
  emptiedMessage,
  hasPrograms,
  isEmptied,
  unmounted,
  unmountedUnrecorded,
} from "../jail/record/emptied.ts";
import { isInterrupted } from "../jail/record/journal.ts";
import { lackingProblem, lackingSockets, mountsOf } from "../jail/record/live.ts";
import {
  type DamagedRecord,
  knownJails,
  type ManifestContent,
  openManifest,
  REGISTRY,
} from "../jail/record/manifest.ts";
import { whereMoved } from "../jail/record/moved.ts";
import { isElsewhere, linkRemedy } from "../jail/record/named-jail.ts";
import { readContent } from "../jail/record/record-file.ts";
import { liveCopyProblem } from "../populate/live-copy.ts";
import { asksForFiles, unfinishedMessage } from "../populate/record/requests.ts";
import { hostAccounts } from "../system/host-accounts.ts";
import { allKnownJails, type JailSection, jailSections, namedOrKnown, type OnBadFile } from "./known.ts";
import { exchangedJail, missingJail, type OfMissing, type Stray, strayAdvice } from "./missing.ts";
import type { JailCondition } from "./report-schema.ts";

export interface JailFacts {
  readonly path: ByteString;
  /** The id of its record; undefined if it has none. */
  readonly id: ByteString | undefined;
  readonly condition: JailCondition;
  /** It is missing because its file system is not mounted. */
  readonly unmounted?: boolean;
  /** It is missing because it was moved; `remedy` lets all follow. */
  readonly moved?: boolean;
  /** The directories of the host that are mounted in it. */
  readonly live: readonly ByteString[];
  /** The same, for sockets. */
  readonly sockets: readonly ByteString[];
  /** Why its condition is not ready, printable. */
  readonly reason: string | undefined;
  /** The command that makes it ready, if there is one. */
  readonly remedy: Remedy | undefined;
  readonly users: readonly JailedUser[];
  /** Why it may have more users, printable. */
  readonly moreUsers: string | undefined;
  /** Its passwd has an account of a name service with the shell jk_chrootsh, whose home names no jail. */
  readonly isAnyHomeless?: boolean;
  /** The requested sections of jk_init, and the operands of jk_cp. */
  readonly sections: readonly ByteString[];
  readonly files: readonly ByteString[];
  /** In seconds since the epoch. */
  readonly lastRequest: number | undefined;
  /** The number of entries in its record. */
  readonly entries: number;
  /** Of `live` and `sockets`: how many are not mounted as they should be. */
  readonly lacking: number;
}

/** A search goes through many directories. */
const MOST_SEARCHES = 4;

/** What all jails of a list are looked up in. */
class World {
  readonly users = jailedUsers();
  readonly names = namesOf(this.users);
  readonly accounts = hostAccounts();
  readonly #byJail = usersByJail(this.users);
  /** Users of name services whom the passwd of another jail has, by the jail in which they live, and by their names. */
  readonly #strays = new Map<ByteString, Map<ByteString, Stray>>();
  #ids: ReadonlyMap<ByteString, ByteString> | undefined;
  #sections: readonly JailSection[] | undefined;
  #searches = 0;

  constructor(
    readonly declared: OfMissing,
    private readonly badFile?: OnBadFile,
  ) {}

  /** The users of /etc/passwd who live in a jail. */
  usersOf(jail: ByteString): readonly JailedUser[] {
    return this.#byJail.get(jail) ?? [];
  }

  addStrays(line: ByteString, users: readonly JailedUser[]): void {
    for (const user of users) {
      const { name, jail = "" } = user;
      this.#strays.getOrInsertComputed(jail, () => new Map()).set(name, { ...user, line });
    }
  }

  /** The jails of strays that were added. */
  get jailsOfStrays(): ByteString[] {
    return [...this.#strays.keys()];
  }

  straysOf(jail: ByteString): readonly Stray[] {
    return [...(this.#strays.get(jail)?.values() ?? [])];
  }

  /** The id of the record for a path. */
  idOf(jail: ByteString): ByteString | undefined {
    this.#ids ??= new Map(knownJails().map((known) => [known.jail.path, known.id]));
    return this.#ids.get(jail);
  }

  /** Where a jail that is missing is by now, if it is one of the first that are, and found. */
  whereMoved(jail: ByteString): ByteString | undefined {
    return this.#searches++ < MOST_SEARCHES ? whereMoved(jail) : undefined;
  }

  /** The config files with a section for a jail. */
  filesWith(jail: ByteString): readonly ByteString[] {
    this.#sections ??= jailSections(this.badFile);
    return [...new Set(this.#sections.flatMap((one) => (one.jail === jail ? [one.file] : [])))];
  }
}

/** What the records and settings say about a jail whose directory is missing. */
function missingFacts(path: ByteString, world: World) {
  const id = world.idOf(path);
  const content =
    id === undefined ? undefined : withTree((tree) => answered(() => readContent(tree, REGISTRY, id)));
  const [users, files] = [world.usersOf(path), world.filesWith(path)];
  const isKnown = id !== undefined || users.length + files.length + world.straysOf(path).length > 0;
  if (!isKnown) return { id, reason: `${display(path)} does not exist, and is not a known jail` };
  const mount = mountRemedy(path);
  const now = content === undefined || mount !== undefined ? undefined : world.whereMoved(path);
  const lacking = content === undefined ? 0 : mountsOf(content).length;
  const missing = missingJail({ path, content, users, files, mount, now }, world.declared);
  return { id, ...(content && recordedFacts(content)), lacking, ...missing };
}

/** In these a jail may be while a command creates, fills, mounts or deletes it. */
const IN_BETWEEN: ReadonlySet<JailCondition> = new Set([
  "missing",
  "emptied",
  "incomplete",
  "unmounted",
  "unrecorded",
]);

/** What is known about a jail, without reading its files. */
function jailFacts(path: ByteString, world: World): JailFacts {
  const facts = factsNow(path, world);
  const worker = IN_BETWEEN.has(facts.condition) ? workerOf(path) : undefined;
  if (worker === undefined) return facts;
  const nothing = { unmounted: false, remedy: undefined, lacking: 0 };
  return { ...facts, ...nothing, condition: "busy", reason: busyText(path, worker) };
}

/** With users whom name services have there, and what to do if that jail is not there. */
function withStrays(facts: JailFacts, strays: readonly Stray[], meantOf: OfMissing["meantOf"]): JailFacts {
  const there = namesOf(facts.users);
  const all = { ...facts, users: [...facts.users, ...strays.filter(({ name }) => !there.has(name))] };
  if (strays.length === 0 || facts.condition === "busy" || !isElsewhere(facts.path)) return all;
  return { ...all, reason: `${facts.reason}; ${strayAdvice(strays, meantOf, facts.path)}` };
}

function factsNow(path: ByteString, world: World): JailFacts {
  const nothing = {
    ...{ path, users: world.usersOf(path), moreUsers: undefined, id: undefined, sections: [], files: [] },
    ...{ lastRequest: undefined, entries: 0, live: [], sockets: [], lacking: 0, remedy: undefined },
  };
  try {
    using root = openJailRoot(path);
    // In the home of an account, ".." may mean something else after a symbolic link.
    const absent = root.path === path ? undefined : absentFacts(path, world);
    return { ...nothing, ...(absent ?? presentFacts(root, path, world)) };
  } catch (error) {
    if (!isReported(error)) throw error;
    const unreadable = { condition: "unreadable", reason: describeError(error) } as const;
    const isNamed = world.usersOf(path).length > 0 || world.filesWith(path).length > 0;
    const remedy = linkRemedy(path, error, isNamed);
    return { ...nothing, ...(absentFacts(path, world) ?? { ...unreadable, remedy }) };
  }
}

/** Of a jail that has no directory; undefined if it has one, or cannot be looked at. */
function absentFacts(path: ByteString, world: World) {
  if (isMissing(path)) return { ...missingFacts(path, world), condition: "missing" } as const;
  // Of a symbolic link the error says what to name instead.
  if (mayBeDirectory(path) || linkIn(path) === path) return undefined;
  const reason = `${display(path)} is not a directory`;
  return { id: world.idOf(path), condition: "missing", reason } as const;
}

function presentFacts(root: JailRoot, path: ByteString, world: World) {
  const { id, content } = openManifest(root);
  const recorded = content.requests.length + (content.lines ?? 0) > 0;
  const services = knownServiceUsers(root, world.names, world.accounts);
  world.addStrays(path, services.elsewhere);
  const facts = {
    users: [...world.usersOf(path), ...services.users],
    moreUsers: services.unknown,
    isAnyHomeless: services.isAnyHomeless,
    ...recordedFacts(content),
    id: recorded ? id : undefined,
  };
  const lacking = lackingMounts(root, mountsOf(content)).length;
  const exchanged = exchangedJail(root, path, world.declared);
  return { ...facts, lacking, ...(exchanged ?? conditionOf(root, path, id, content, lacking)) };
}

/** The condition of a jail, with the reason and the remedy of one that is not ready. */
function conditionOf(
  root: JailRoot,
  path: ByteString,
  id: ByteString,
  content: ManifestContent,
  lacks: number,
): Pick<JailFacts, "condition" | "reason"> & Partial<Pick<JailFacts, "remedy">> {
  const unsafe = jailFindings(root)[0];
  if (unsafe !== undefined) {
    const { message: reason, remedy } = told(unsafe.message, unsafe.advice);
    return { condition: "unsafe", reason, remedy: remedy || undefined };
  }
  const update: Remedy = `jk_update -j ${shellWord(path)}`;
  const emptied = isEmptied(root, content);
  const recorded = content.requests.some(asksForFiles);
  // What is below a mount point is another directory, without a record.
  const elsewhere = !recorded ? unmountedUnrecorded(root) : emptied ? unmounted(path) : undefined;
  if (elsewhere !== undefined) {
    const { message, remedy } = elsewhere;
    return { condition: "unmounted", reason: `${display(path)}: ${message}`, remedy };
  }
  if (emptied) return { condition: "emptied", reason: emptiedMessage(path), remedy: update };
  const lacking =
    lacks === 0 ? undefined : (lackingProblem(root, content.live) ?? lackingSockets(root, content.sockets));
  if (lacking !== undefined)
    return { condition: "unmounted", reason: lacking.message, remedy: lacking.remedy };
  const unfinished = isInterrupted(id) ? "an update was interrupted" : unfinishedMessage(content);
  if (unfinished !== undefined) {
    const reason = `${display(path)}: ${unfinished}: run ${update}`;
    return { condition: "incomplete", reason, remedy: update };
  }
  if (recorded) return { condition: "ready", reason: undefined };
  const copy = liveCopyProblem(root, content);
  if (copy !== undefined) return { condition: "unrecorded", reason: copy.message, remedy: copy.remedy };
  if (!hasPrograms(root))
    return { condition: "unrecorded", reason: "has no record of its contents, and no programs" };
  const remedy: Remedy = `jailkit adopt ${shellWord(path)}`;
  const reason = `has no record of its contents; to create one: ${remedy}`;
  return { condition: "unrecorded", reason, remedy };
}

function recordedFacts({ requests, lines = 0, live = [], sockets = [] }: ManifestContent) {
  const files = requests.filter(asksForFiles);
  const last = Math.max(0, ...requests.map(({ time }) => time));
  return {
    sections: [...new Set(files.flatMap((request) => request.sections))],
    files: [...new Set(files.flatMap((request) => request.operands))],
    lastRequest: last === 0 ? undefined : last,
    entries: lines,
    live,
    sockets,
  };
}

/** False for a jail in whose condition nobody should leave it. */
export const isInOrder = ({ condition, users }: Pick<JailFacts, "condition" | "users">): boolean =>
  ["ready", "unrecorded", "busy"].includes(condition) || (condition === "emptied" && users.length === 0);

/** The known jails, or those that are named, and the records that cannot be used. */
export interface JailList {
  readonly jails: readonly JailFacts[];
  readonly damaged: readonly DamagedRecord[];
}

/** All known jails, or those that are named. Throws JailkitError, of a configuration file only without `badFile`. */
export function listJails(named: readonly ByteString[], declared: OfMissing, badFile?: OnBadFile): JailList {
  return withOneTree(() => {
    const world = new World(declared, badFile);
    const { paths, damaged } = namedOrKnown(named, world.users, badFile);
    // Of one that is not there, the others know who lives in it.
    const others = named.some(isElsewhere) ? allKnownJails(world.users, badFile).paths : [];
    const facts = new Map([...others, ...paths].map((path) => [path, jailFacts(path, world)]));
    const listed = named.length > 0 ? paths : [...new Set([...paths, ...world.jailsOfStrays])].sort();
    const factsOf = (path: ByteString) => facts.get(path) ?? jailFacts(path, world);
    return {
      jails: listed.map((path) => withStrays(factsOf(path), world.straysOf(path), declared.meantOf)),
      damaged,
    };
  });
}
