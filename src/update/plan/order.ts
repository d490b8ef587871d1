import type { ByteString } from "../../../ffi/bytes.ts";
import { MOST_LINKS } from "../../../ffi/constants.ts";
import { normalPath } from "../../../ffi/paths.ts";
import type { Loader } from "../../libraries/closure.ts";
import { isLibraryName } from "../../libraries/dependency.ts";
import type { Entry } from "../../populate/entry.ts";
import { linkTarget } from "../../populate/file-system.ts";
import type { Change } from "./compare.ts";

const EXECUTABLE = 0o111;

/** The dependencies between entries of a plan, and the order of changes. */
export class ChangeOrder {
  private readonly found = new Map<Entry, ReadonlySet<Entry>>();
  private readonly lacking = new Map<Entry, ByteString>();

  /** `entryOf`: the entry that a path of the host leads to. `unread`: paths of the host that could not be planned. */
  constructor(
    private readonly entryOf: (source: ByteString) => Entry | undefined,
    private readonly unread: ReadonlySet<ByteString>,
    private readonly loader: Pick<Loader, "dependencies">,
  ) {}

  /** The dependencies of an entry, and the target of its symbolic link. */
  needs(entry: Entry): ReadonlySet<Entry> {
    return this.found.getOrInsertComputed(entry, () => this.find(entry));
  }

  /** A path that an entry needs, and that could not be read; undefined if there is none. */
  lacks(entry: Entry): ByteString | undefined {
    this.needs(entry);
    return this.lacking.get(entry);
  }

  /** True for an executable file that is no library, and for a symbolic link to one. */
  isProgram(entry: Entry): boolean {
    return [entry, ...this.chain(entry)].some(
      ({ type, mode, path }) => type === "file" && (mode & EXECUTABLE) !== 0 && !isLibraryName(path),
    );
  }

  /** Directories first, programs last; within each part, dependencies come first. */
  sorted<T extends { readonly change: Change }>(list: readonly T[]): T[] {
    // A dependent has all needs of its dependency too, and so has more needs.
    return list
      .map((one) => {
        const { entry } = one.change;
        const count = entry.type === "directory" ? 0 : this.needs(entry).size;
        return { one, part: this.part(one.change), count };
      })
      .sort((a, b) => a.part - b.part || a.count - b.count)
      .map(({ one }) => one);
  }

  private part({ entry, action }: Change): number {
    if (entry.type === "directory") return action === "exchange" ? 2 : 0;
    return this.isProgram(entry) ? 3 : 1;
  }

  private find(entry: Entry): ReadonlySet<Entry> {
    const needs = new Set<Entry>(this.chain(entry));
    const file = [...needs].at(-1) ?? entry;
    if (file.type === "symlink") {
      const target = linkTarget(file.path, file.target ?? "");
      if (this.unread.has(target)) this.lacking.set(entry, target);
    }
    if (file.type !== "file" || file.source === undefined) return needs;
    if ((file.mode & EXECUTABLE) === 0 && !isLibraryName(file.path)) return needs;
    // Not all dependencies of a file that users can change are copied: see sortNeeds.
    const lacks = (path: ByteString) => file.untrusted === undefined && this.lacking.set(entry, path);
    try {
      for (const { path } of this.loader.dependencies(file.source)) {
        const need = this.entryOf(path);
        if (need === undefined) lacks(path);
        else for (const each of [need, ...this.chain(need)]) needs.add(each);
      }
    } catch {
      // The plan has reported it.
      lacks(file.source);
    }
    needs.delete(entry);
    return needs;
  }

  /** The entries on the chain of a symbolic link. */
  private chain(entry: Entry): Entry[] {
    const chain: Entry[] = [];
    for (let at = this.linked(entry); at !== undefined && chain.length < MOST_LINKS; at = this.linked(at))
      chain.push(at);
    return chain;
  }

  private linked({ type, target = "", path }: Entry): Entry | undefined {
    if (type !== "symlink") return undefined;
    const to = linkTarget(path, target);
    return this.entryOf(to) ?? this.entryOf(normalPath(to));
  }
}
