import type { ByteString } from "../../../ffi/bytes.ts";
import { isErrno } from "../../../ffi/error.ts";
import * as E from "../../../ffi/events.ts";

const MOVED = E.IN_DELETE_SELF | E.IN_MOVE_SELF;
const REMOVED = E.IN_DELETE | E.IN_MOVED_FROM | E.IN_MOVED_TO | E.IN_ATTRIB | MOVED;
/** Names that appear, disappear or are replaced, and the end of the directory itself. */
export const NAMES = E.IN_CREATE | REMOVED;
/** Files that are complete, or removed. */
export const CONTENTS = E.IN_CLOSE_WRITE | REMOVED;

interface Watch {
  readonly path: ByteString;
  readonly mask: number;
  /** The one name in the directory that matters; undefined: any. */
  readonly name: ByteString | undefined;
  readonly changed: () => void;
}

/** The watches of one directory, by the name that matters. */
type Watched = Map<ByteString | undefined, Set<Watch>>;

/** Directories that are watched through one descriptor of inotify(7). Thousands of jails may be in one directory. */
export class Watches {
  readonly fd = E.openInotify();
  private readonly byNumber = new Map<number, Watched>();
  private readonly numbers = new Map<() => void, Map<Watch, number>>();

  /** Calls `changed` after the events of `mask` in the directory. False if there is no such directory. */
  add(watch: Watch): boolean {
    let number: number;
    try {
      number = E.addWatch(this.fd, watch.path, watch.mask | E.IN_ONLYDIR | E.IN_MASK_ADD);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR", "ENOSPC", "EACCES", "ELOOP")) return false;
      throw error;
    }
    const watched: Watched = this.byNumber.getOrInsertComputed(number, () => new Map());
    watched.getOrInsertComputed(watch.name, () => new Set()).add(watch);
    this.numbers.getOrInsertComputed(watch.changed, () => new Map()).set(watch, number);
    return true;
  }

  /** Removes every watch with this callback. */
  forget(changed: () => void): void {
    for (const [watch, number] of this.numbers.get(changed) ?? []) {
      const watched = this.byNumber.get(number);
      const same = watched?.get(watch.name);
      // The directory may have been removed, and its number with it.
      if (watched === undefined || same?.delete(watch) !== true) continue;
      if (same.size === 0) watched.delete(watch.name);
      if (watched.size > 0) continue;
      this.byNumber.delete(number);
      E.removeWatch(this.fd, number);
    }
    this.numbers.delete(changed);
  }

  /** Reads events, and calls the callbacks of their watches, each once. */
  dispatch(): void {
    const due = new Set<() => void>();
    for (const event of E.readFileEvents(this.fd)) {
      for (const watch of this.concerned(event)) due.add(watch.changed);
      if ((event.mask & E.IN_IGNORED) !== 0) this.byNumber.delete(event.watch);
    }
    for (const changed of due) changed();
  }

  private *concerned({ mask, watch: number, name }: E.FileEvent): Generator<Watch> {
    if ((mask & E.IN_Q_OVERFLOW) !== 0) {
      for (const watches of this.numbers.values()) yield* watches.keys();
      return;
    }
    const watched: Watched = this.byNumber.get(number) ?? new Map();
    const gone = (mask & (E.IN_IGNORED | MOVED)) !== 0;
    const all = gone || name === "" ? watched.values() : [watched.get(name), watched.get(undefined)];
    for (const watches of all) {
      for (const watch of watches ?? []) if (gone || (mask & watch.mask) !== 0) yield watch;
    }
  }
}
