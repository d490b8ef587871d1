import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { MOST_LINKS } from "../../../ffi/constants.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { display, quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { octal } from "../../cli/octal.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { mayFollow } from "../../jail/fs/strict.ts";
import { isDirectory, isLink } from "../../jail/fs/walk.ts";
import { onlyRootWrites } from "../../system/exchange.ts";
import { freeNumbered } from "../../system/free-name.ts";
import { type Entry, KEEP_OWNER, type Keeps, type PopulateProblem } from "../entry.ts";
import { linkTarget } from "../file-system.ts";
import { addEntry, type PlanContext } from "./draft.ts";
import { givenToDirectory, LINK_ATTRIBUTES, withoutAcl } from "./modes.ts";

const SYSTEM_DIRECTORIES = "/dev /etc /lib /lib32 /lib64 /libx32 /usr /bin /sbin /opt /run /root".split(" ");

/** A file of the jail before anything is changed. */
export interface JailNode {
  readonly planned: undefined;
  readonly stat: BasicStat;
  readonly path: ByteString;
}

type Node = { readonly planned: Entry } | JailNode;

/** True for a directory, in the jail or in the plan. */
export function isDirectoryNode(node: Node): boolean {
  return node.planned === undefined ? isDirectory(node.stat) : node.planned.type === "directory";
}

/** A component of a path, and its directory on the host; undefined if it is from a symbolic link. */
interface Part {
  readonly name: ByteString;
  readonly below: ByteString | undefined;
}

function unlessRefused<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof JailkitError) return undefined;
    throw error;
  }
}

function partsOf(path: ByteString): Part[] {
  const parts: Part[] = [];
  let below = "";
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue;
    parts.push({ name, below });
    below = `${below}/${name}`;
  }
  return parts;
}

interface ParentCause {
  readonly section: ByteString;
  /** The path of the host for which the directory is created. */
  readonly of: ByteString;
  readonly keeps: Keeps;
}

/** The error for a path whose target users other than root can choose. */
export function untrustedPath(path: ByteString, what: string): JailkitError {
  const message = `${quoted(path)} ${what} in a directory that users other than root can write: not followed`;
  return new JailkitError("untrusted-source", 1, message);
}

/** Adds the entry of a missing parent: a copy of the host's symbolic link or directory at `path`, else a directory. */
function addParent(context: PlanContext, path: ByteString, cause: ParentCause): Entry {
  const { host, draft, trust } = context;
  const stat = host.lstat(path);
  const keeps: Keeps = (cause.keeps & KEEP_OWNER) !== 0 ? KEEP_OWNER : 0;
  const because = [{ section: cause.section, reason: { kind: "parent", of: cause.of } as const }];
  const common = { action: "create", because, keeps } as const;
  if (stat !== undefined && isLink(stat)) {
    if (trust.othersName(path)) throw untrustedPath(path, "is a symbolic link");
    const target = host.readlink(path);
    return addEntry(draft, path, path, stat, LINK_ATTRIBUTES, { ...common, type: "symlink", target });
  }
  const real = stat !== undefined && isDirectory(stat) ? stat : undefined;
  const given = givenToDirectory(path, real && withoutAcl(host, path, real, keeps), true, keeps);
  const untrusted = trust.othersName(path) ? real : undefined;
  return addEntry(draft, path, real && path, real, given, { ...common, type: "directory", untrusted });
}

/** The jail after the plan: its present files, and the planned ones so far. Paths are as the jail sees them. */
export class JailPaths {
  private readonly resolved = new Map<ByteString, ByteString>();

  constructor(private readonly context: PlanContext) {}

  /** The present or planned file at `path`, which leads through no link. `isNew`: its directory is to be created. */
  at(path: ByteString, isNew?: boolean): Node | undefined {
    const { planned } = this.context.draft;
    const entry = planned.get(path);
    if (entry !== undefined) return { planned: entry };
    // A new directory is empty: most calls end here.
    if (isNew || planned.get(parentOf(path))?.action === "create") return undefined;
    const stat = this.context.jail.lstat(path);
    return stat === undefined ? undefined : { planned: undefined, stat, path };
  }

  /**
   * The directory that `path` leads to, without symbolic links; "" is the root of the jail. Links of the jail are
   * followed inside the jail. Missing components are planned as on the host, so `/bin -> usr/bin` stays so. Throws
   * JailkitError if a file or an untrusted link is in the way.
   */
  directory(path: ByteString, cause: ParentCause): ByteString {
    const known = this.resolved.get(path);
    if (known !== undefined) return known;
    const directory = this.walk(path, cause);
    this.resolved.set(path, directory);
    return directory;
  }

  /** True if `path` leads to a present or planned file. */
  reaches(path: ByteString): boolean {
    return unlessRefused(() => this.leadsToNode(path)) ?? false;
  }

  /** The problem of a symbolic link in the place of a system directory that leads to a planned directory of users. */
  unsafeLink(): PopulateProblem | undefined {
    const { draft, jail, jailPath } = this.context;
    const isNew = (path: ByteString) => draft.planned.get(path)?.action === "create";
    // A link of the jail first: it may be the reason why a planned one is unsafe.
    const links = [...SYSTEM_DIRECTORIES].sort((a, b) => Number(isNew(a)) - Number(isNew(b)));
    for (const link of links) {
      const entry = this.openedBy(link);
      if (entry === undefined) continue;
      const path = jailPath + link;
      const isThere = (at: ByteString) => jail.lstat(at) !== undefined;
      const aside = freeNumbered(`/not-${baseName(link)}`, isThere);
      const away: Remedy = `mv -nT ${shellWord(path)} ${shellWord(jailPath + aside)}`;
      const remedy = isNew(link) ? undefined : away;
      const advice = remedy === undefined ? "" : `; move the link away: ${remedy}`;
      const which = `which users could change (owner ${entry.uid}, mode ${octal(entry.mode)})`;
      const message = `${display(path)}: leads to ${display(jailPath + entry.path)}, ${which}: nothing was changed${advice}`;
      return { code: "unsafe-jail", path, message, remedy };
    }
    return undefined;
  }

  /** The planned directory that users could change, and that is at or above the target of a symbolic link. */
  private openedBy(link: ByteString): Entry | undefined {
    const node = this.at(link);
    if (node === undefined || this.targetOf(node) === undefined) return undefined;
    for (let at = unlessRefused(() => this.walk(link)) ?? ""; at !== ""; at = parentOf(at)) {
      const entry = this.context.draft.planned.get(at);
      if (entry?.action === "create" && (entry.uid !== 0 || (entry.mode & 0o022) !== 0)) return entry;
    }
    return undefined;
  }

  /** Without a `cause` nothing is planned: a missing component is an error, and every link is followed. */
  private walk(path: ByteString, cause?: ParentCause): ByteString {
    const others = (directory: ByteString) => this.context.trust.of(directory).others;
    const pending = partsOf(path).reverse();
    let current = "";
    for (let links = 0; pending.length > 0; ) {
      const part = pending.pop();
      if (part === undefined) break;
      if (part.name === "..") {
        current = parentOf(current);
        continue;
      }
      const next = `${current}/${part.name}`;
      const node = this.at(next) ?? this.added(next, cause);
      const text = this.linkText(node, current, next);
      if (text === undefined) {
        current = next;
        continue;
      }
      // The link may come from a directory of users, who would choose the place of a file in the jail.
      if (cause !== undefined && (others(part.below ?? current) || others(current))) {
        throw untrustedPath(next, "in the jail is a symbolic link");
      }
      if (++links > MOST_LINKS) {
        throw new JailkitError("link-loop", 1, `${quoted(path)}: too many symbolic links in the jail`);
      }
      if (text.startsWith("/")) current = "";
      const parts = partsOf(text).map(({ name }) => ({ name, below: undefined }));
      pending.push(...parts.reverse());
    }
    return current;
  }

  private added(path: ByteString, cause: ParentCause | undefined): Node {
    if (cause === undefined) throw new JailkitError("missing", 1, `${quoted(path)} is not in the jail`);
    return { planned: addParent(this.context, path, cause) };
  }

  /** The text of a symbolic link; undefined for a directory. Throws JailkitError for anything else. */
  private linkText(node: Node, below: ByteString, path: ByteString): ByteString | undefined {
    if (isDirectoryNode(node)) return undefined;
    const link = node.planned === undefined && isLink(node.stat) ? node.stat : undefined;
    if (link !== undefined && !mayFollow({ path: below || "/", trusted: this.isTrusted(below) }, link)) {
      const what = "is a symbolic link in a directory that users other than root can write: not followed";
      throw new JailkitError("link-in-untrusted-directory", 1, `${quoted(path)} in the jail ${what}`);
    }
    const text = this.targetOf(node);
    if (text !== undefined) return text;
    throw new JailkitError("not-a-directory", 1, `${quoted(path)} in the jail is not a directory`);
  }

  private targetOf(node: Node): ByteString | undefined {
    if (node.planned !== undefined) return node.planned.target;
    return isLink(node.stat) ? this.context.jail.readlink(node.path) : undefined;
  }

  /** True if only root can create names in `directory` and all directories above it. */
  private isTrusted(directory: ByteString): boolean {
    for (let path = directory; path !== ""; path = parentOf(path)) {
      const node = this.at(path);
      if (node === undefined || node.planned !== undefined) continue;
      // A sticky directory is not trusted either: others cannot remove files of root, but can add links.
      if (!onlyRootWrites(node.stat)) return false;
    }
    return true;
  }

  private leadsToNode(path: ByteString): boolean {
    let next = path;
    for (let links = 0; links <= MOST_LINKS; links++) {
      const name = baseName(next);
      const directory = this.walk(name === ".." ? next : parentOf(next));
      if (name === "" || name === "..") return true;
      const here = `${directory}/${name}`;
      const node = this.at(here);
      if (node === undefined) return false;
      const target = this.targetOf(node);
      if (target === undefined) return true;
      next = linkTarget(here, target);
    }
    return false;
  }
}
