import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { display, quoted } from "../../cli/display.ts";
import { describeError, JailkitError } from "../../cli/error.ts";
import { isDirectory, isLink } from "../../jail/fs/walk.ts";
import { type Dependency, isLibraryName } from "../../libraries/dependency.ts";
import type { Entry, Reason } from "../entry.ts";
import { type FileSystem, linkTarget } from "../file-system.ts";
import {
  addEntry,
  addProblem,
  addRequest,
  type CopyRules,
  emptyDraft,
  isIn,
  isNamed,
  type PlanContext,
  type PlannerInput,
  type Source,
  treeOf,
} from "./draft.ts";
import { forbiddenTrees, jailTrees } from "./forbidden.ts";
import { isDirectoryNode, JailPaths, untrustedPath } from "./jail-paths.ts";
import { addLeaf, keepsOf } from "./leaf.ts";
import { describeLeftOut } from "./left-out.ts";
import { givenToDirectory, keptAttributes, strengthen, withoutAcl } from "./modes.ts";
import { HostTrust } from "./trust.ts";
import { DEFAULT_DIRECTORY, sortNeeds } from "./untrusted.ts";

const EXECUTABLE = 0o111;

const IN_THE_WAY = "file-in-the-way";
/** The codes of errors that stay those of the problem. */
const OWN_CODES: ReadonlySet<string> = new Set(["untrusted-source", IN_THE_WAY]);

/** The jail as it looks with these directories of the host mounted in it. */
function liveFileSystem(jail: FileSystem, host: FileSystem, live: readonly ByteString[]): FileSystem {
  const of = (path: ByteString) => (isIn(live, path) ? host : jail);
  return {
    ...jail,
    lstat: (path) => of(path).lstat(path),
    stat: (path) => of(path).lstat(path),
    acl: (path) => of(path).acl(path),
    readlink: (path) => of(path).readlink(path),
  };
}

/** Adds paths of the host to a plan, with the content of directories, link targets, and dependencies of programs. */
export class Planner {
  readonly draft = emptyDraft();
  private readonly context: PlanContext;
  private readonly paths: JailPaths;

  constructor(input: PlannerInput) {
    const { host, jailPath, live = [] } = input;
    const trust = new HostTrust(host);
    const jail = live.length === 0 ? input.jail : liveFileSystem(input.jail, host, live);
    const leadsToJail = jailTrees(input.unwatched ?? host, jailPath);
    const forbidden = forbiddenTrees(host, leadsToJail);
    this.context = { ...input, jail, draft: this.draft, trust, forbidden, leadsToJail };
    this.paths = new JailPaths(this.context);
  }

  /** Plans the file at `path` on the host. `found`: its lstat, `parent`: the entry of its directory, if known. */
  place(
    path: ByteString,
    rules: CopyRules,
    reason: Reason,
    found?: BasicStat,
    parent?: Entry,
  ): Entry | undefined {
    const { draft, context } = this;
    if (draft.seen.has(path)) {
      const known = draft.seen.get(path);
      return known && this.revisit(known, rules, reason);
    }
    const stat = found ?? context.host.lstat(path);
    if (stat === undefined) {
      draft.notes.push(`Source file ${display(path)} does not exist`);
      return undefined;
    }
    draft.seen.set(path, undefined);
    try {
      if (context.trust.of(parentOf(path)).link)
        throw untrustedPath(path, "is reached through a symbolic link");
      const source: Source = { path, stat, rules, reason };
      return isDirectory(stat) ? this.placeTree(source) : this.placeLeaf(source, parent);
    } catch (error) {
      const code = error instanceof JailkitError && OWN_CODES.has(error.code) ? error.code : "cannot-place";
      return addProblem(draft, code, path, describeError(error), `${display(path)}: `);
    }
  }

  /** Plans a directory without its content. `isNew` is false for an existing entry, which stays as it is. */
  placeDirectory({ path, stat, rules, reason }: Source): { entry: Entry; isNew: boolean } {
    const { host, trust } = this.context;
    const cause = { ...rules, of: path };
    const last = baseName(path);
    const directory = (at: ByteString) => this.paths.directory(at, cause);
    // ".." is not a name: use the directory that it leads to.
    let inJail = last === ".." ? directory(path) : `${directory(parentOf(path))}/${last}`;
    let node = this.paths.at(inJail);
    if (node?.planned === undefined && node !== undefined && !isDirectory(node.stat) && !isLink(node.stat)) {
      const what = `is a directory on the host, and ${quoted(inJail)} a file in the jail, which stays`;
      throw new JailkitError(IN_THE_WAY, 1, what);
    }
    if (node !== undefined && !isDirectoryNode(node)) {
      // A symbolic link of the jail leads to the directory to fill (anything else throws here).
      inJail = directory(path);
      node = this.paths.at(inJail);
    }
    if (node?.planned !== undefined) return { entry: node.planned, isNew: false };
    const { keeps, section } = rules;
    const given = node
      ? keptAttributes(node.stat)
      : givenToDirectory(inJail, withoutAcl(host, path, stat, keeps), false, keeps);
    const entry = addEntry(this.draft, inJail, path, stat, given, {
      type: "directory",
      action: node ? "keep" : "create",
      because: [{ section, reason }],
      keeps,
      untrusted: trust.othersName(path) ? stat : undefined,
    });
    return { entry, isNew: true };
  }

  /** Ends the plan: reports the files that were left out, and whether the jail would not be safe. */
  finish(): void {
    this.draft.unsafe = this.paths.unsafeLink();
    describeLeftOut({ ...this.context, reaches: (path) => this.paths.reaches(path) });
  }

  private placeTree(source: Source): Entry | undefined {
    const { path, stat, rules, reason } = source;
    const why = this.context.forbidden(stat);
    if (why !== undefined) {
      this.draft.dependsOnJail ||= this.context.leadsToJail(stat) !== undefined;
      if (reason.kind !== "link")
        return addProblem(this.draft, "refused-source", path, `is refused: ${display(why)}`);
      const what = `what a symbolic link leads to, ${quoted(path)}, is left out`;
      this.draft.warnings.push(`${what}: ${display(why)}`);
      return undefined;
    }
    const { entry, isNew } = this.placeDirectory(source);
    this.draft.seen.set(path, entry);
    if (isNew) this.placeContents(entry, path, rules);
    else this.revisit(entry, rules, reason);
    return entry;
  }

  private placeContents(entry: Entry, path: ByteString, rules: CopyRules): void {
    this.draft.trees.add(path);
    const reason = { kind: "tree", from: entry } as const;
    for (const found of this.context.host.list(path, entry.untrusted))
      this.place(found.path, rules, reason, found.stat, entry);
  }

  private placeLeaf(source: Source, parent: Entry | undefined): Entry | undefined {
    const { path, stat, rules, reason } = source;
    const directory = parent ? parent.path : this.paths.directory(parentOf(path), { ...rules, of: path });
    const inJail = `${directory}/${baseName(path)}`;
    const node = this.paths.at(inJail, parent?.action === "create");
    if (node?.planned !== undefined) {
      this.draft.seen.set(path, node.planned);
      return this.revisit(node.planned, rules, reason);
    }
    const entry = addLeaf(this.context, source, inJail, node);
    if (entry === undefined) return undefined;
    this.draft.seen.set(path, entry);
    this.context.offer?.(entry);
    if (entry.type === "file") this.placeNeeds(entry, stat.mode, rules, reason);
    // If the administrator put another link there, the target of the host's link is not needed.
    else if (entry.type === "symlink" && !entry.differs) this.follow(entry, rules);
    else if (entry.type === "symlink" && node !== undefined && !isLink(node.stat))
      this.placeNeeds(entry, EXECUTABLE, rules, reason);
    return entry;
  }

  /** Plans the target of a symbolic link, as the jail sees it. */
  private follow(entry: Entry, rules: CopyRules): void {
    if (rules.linkAlone) return;
    const { target: text = "", path, source = path, because } = entry;
    const target = linkTarget(path, text);
    if (entry.untrusted !== undefined) {
      const tree = because[0] ? treeOf(source, because[0].reason) : source;
      const { section } = rules;
      this.draft.leftOut.set(source, { kind: "link", tree, section, path: source, target });
      return;
    }
    this.place(target, rules, { kind: "link", from: entry });
  }

  /** Plans the dependencies of a program or library. `mode`: of the file on the host. */
  private placeNeeds(entry: Entry, mode: number, rules: CopyRules, reason: Reason): void {
    const { draft, context } = this;
    const { source = entry.path } = entry;
    if (!rules.withNeeds || ((mode & EXECUTABLE) === 0 && !isLibraryName(source))) return;
    const { section } = rules;
    const named = isNamed(reason);
    if (entry.untrusted !== undefined) {
      const tree = treeOf(source, reason);
      draft.leftOut.set(source, { kind: "program", named, tree, section, path: source });
      if (!named) return;
    }
    let needs: readonly Dependency[];
    try {
      needs = context.loader.dependencies(source);
    } catch (error) {
      // A file of the host that cannot be read now is not passed over: what the program needs is unknown.
      const unreadable = error instanceof JailkitError && error.code === "unreadable";
      addProblem(draft, unreadable ? error.code : "bad-program", source, describeError(error), "");
      return;
    }
    const plain: CopyRules = { section, keeps: 0, withNeeds: false };
    for (const need of this.withoutBareInterpreters(entry, sortNeeds(context, needs).allowed, section)) {
      const from = need.neededBy === source ? entry : (draft.seen.get(need.neededBy) ?? entry);
      const placed = this.place(need.path, plain, { kind: need.kind, from, name: need.name });
      if (need.kind !== "needed" || !placed || DEFAULT_DIRECTORY.test(parentOf(need.path))) continue;
      for (const path of context.loader.configurationFiles()) {
        this.place(path, plain, { kind: "needed", from: placed, name: baseName(path) });
      }
    }
  }

  /**
   * The needs of a file without interpreters that do not work without a library, such as Python, and their needs: the
   * section with that library brings them, or the jail has them.
   */
  private withoutBareInterpreters(
    entry: Entry,
    needs: readonly Dependency[],
    section: ByteString,
  ): readonly Dependency[] {
    const { companions, broughtBefore } = this.context;
    const bare = new Set<ByteString>();
    const isBare = ({ kind, path, neededBy }: Dependency): boolean => {
      if (bare.has(neededBy)) return true;
      const companion = kind === "script" ? companions?.ofInterpreter(path) : undefined;
      if (companion === undefined || broughtBefore?.(path, section)) return false;
      this.draft.bareScripts.push({ script: entry, interpreter: path, companion });
      return true;
    };
    return needs.filter((need) => {
      if (!isBare(need)) return true;
      bare.add(need.path);
      return false;
    });
  }

  /** An entry is requested again, perhaps by another section, or with more to keep. */
  private revisit(entry: Entry, rules: CopyRules, reason: Reason): Entry {
    const { host, forbidden } = this.context;
    const { source } = entry;
    const keeps =
      entry.type === "directory" ? rules.keeps : keepsOf(this.context, source ?? entry.path, rules.keeps);
    if (!addRequest(entry, rules.section, reason, keeps)) return entry;
    const stat = source === undefined ? undefined : host.lstat(source);
    if (stat === undefined || source === undefined || entry.differs) return entry;
    if (entry.action !== "keep") strengthen(entry, withoutAcl(host, source, stat, entry.keeps));
    if (entry.type === "directory") {
      if (forbidden(stat) === undefined) this.placeContents(entry, source, rules);
    } else if (entry.type === "symlink") this.follow(entry, rules);
    else if (entry.type === "file") this.placeNeeds(entry, stat.mode, rules, reason);
    return entry;
  }
}
