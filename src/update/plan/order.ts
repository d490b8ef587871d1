import type { ByteString } from "../../../ffi/bytes.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import type { Loader } from "../../libraries/closure.ts";
import type { Entry } from "../../populate/entry.ts";
import { tidy } from "../../populate/file-system.ts";
import type { Change } from "./compare.ts";

/** What entries of a plan need of each other. */
export interface Order {
  /** All that an entry needs to run, and where its link leads. */
  needs(entry: Entry): ReadonlySet<Entry>;
  /** What an entry needs and nothing is known of, because it could not be read; undefined where there is no such. */
  lacks(entry: Entry): ByteString | undefined;
  /** A file that is started, or a link to one. */
  isProgram(entry: Entry): boolean;
  /** Directories, then what is no program, then programs; in each part what is needed before what needs it. */
  sorted<T extends { readonly change: Change }>(list: readonly T[]): T[];
}

const LIBRARY = /\.so(?:\.|$)/;
const MOST_LINKS = 40;

/** `entryOf`: the entry that a path of the host leads to. `unread`: paths of the host that could not be planned. */
export function createOrder(
  entryOf: (source: ByteString) => Entry | undefined,
  unread: ReadonlySet<ByteString>,
  loader: Loader,
): Order {
  const known = new Map<Entry, ReadonlySet<Entry>>();
  const lacking = new Map<Entry, ByteString>();

  function leadsTo({ type, target = "", path }: Entry): Entry | undefined {
    if (type !== "symlink") return undefined;
    const to = targetOf(path, target);
    return entryOf(to) ?? entryOf(plain(to));
  }

  function chain(entry: Entry): Entry[] {
    const found: Entry[] = [];
    for (let at = leadsTo(entry); at !== undefined && found.length < MOST_LINKS; at = leadsTo(at))
      found.push(at);
    return found;
  }

  function isProgramFile({ type, mode, path }: Entry): boolean {
    return type === "file" && (mode & 0o111) !== 0 && !LIBRARY.test(baseName(path));
  }

  function find(entry: Entry): ReadonlySet<Entry> {
    const found = new Set<Entry>(chain(entry));
    const file = [...found].at(-1) ?? entry;
    if (file.type === "symlink") {
      const to = targetOf(file.path, file.target ?? "");
      if (unread.has(to)) lacking.set(entry, to);
    }
    if (file.type !== "file" || file.source === undefined) return found;
    if ((file.mode & 0o111) === 0 && !LIBRARY.test(baseName(file.path))) return found;
    // What others than root can change does without what it names: see sortNeeds.
    const lacks = (path: ByteString) => file.untrusted === undefined && lacking.set(entry, path);
    try {
      for (const { path } of loader.dependencies(file.source)) {
        const need = entryOf(path);
        if (need === undefined) lacks(path);
        else for (const each of [need, ...chain(need)]) found.add(each);
      }
    } catch {
      // The plan has told of it.
      lacks(file.source);
    }
    found.delete(entry);
    return found;
  }

  function needs(entry: Entry): ReadonlySet<Entry> {
    const found = known.get(entry) ?? find(entry);
    known.set(entry, found);
    return found;
  }

  const isProgram = (entry: Entry) => [entry, ...chain(entry)].some(isProgramFile);

  function part({ entry, action }: Change): number {
    if (entry.type === "directory") return action === "exchange" ? 2 : 0;
    return isProgram(entry) ? 3 : 1;
  }

  return {
    needs,
    lacks(entry) {
      needs(entry);
      return lacking.get(entry);
    },
    isProgram,
    sorted(list) {
      // If one thing needs another, it needs all that the other does, and the other: so it needs more.
      return list
        .map((one, index) => {
          const { change } = one;
          const count = change.entry.type === "directory" ? 0 : needs(change.entry).size;
          return { one, index, part: part(change), count };
        })
        .sort((a, b) => a.part - b.part || a.count - b.count || a.index - b.index)
        .map(({ one }) => one);
    },
  };
}

/** Where a link leads as planning follows it: from where it stands in the jail. */
function targetOf(path: ByteString, target: ByteString): ByteString {
  return tidy(target.startsWith("/") ? target : `${parentOf(path)}/${target}`);
}

function plain(path: ByteString): ByteString {
  const parts: ByteString[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
