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

/** A watch of the directory with this number. */
interface Placed extends Omit<Watch, "path"> {
  readonly number: number;
}

function concerns(event: E.FileEvent, { mask, name }: Placed): boolean {
  if ((event.mask & (E.IN_IGNORED | MOVED)) !== 0) return true;
  if ((event.mask & mask) === 0) return false;
  return name === undefined || event.name === "" || event.name === name;
}

/** Directories that are watched through one descriptor of inotify(7). Thousands of jails may be in one directory. */
export class Watches {
  readonly fd = E.openInotify();
  /** Nearly all directories have one watch, and a set is large. */
  private readonly byNumber = new Map<number, Placed | Set<Placed>>();
  private readonly byCallback = new Map<() => void, Placed[]>();

  /** Calls `changed` after the events of `mask` in the directory. False if there is no such directory. */
  add({ path, mask, name, changed }: Watch): boolean {
    let number: number;
    try {
      number = E.addWatch(this.fd, path, mask | E.IN_ONLYDIR | E.IN_MASK_ADD);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR", "ENOSPC", "EACCES", "ELOOP")) return false;
      throw error;
    }
    const placed = { number, mask, name, changed };
    const there = this.byNumber.get(number);
    if (there === undefined) this.byNumber.set(number, placed);
    else if (there instanceof Set) there.add(placed);
    else this.byNumber.set(number, new Set([there, placed]));
    this.byCallback.getOrInsertComputed(changed, () => []).push(placed);
    return true;
  }

  /** Removes every watch with this callback. */
  forget(changed: () => void): void {
    for (const placed of this.byCallback.get(changed) ?? []) {
      const { number } = placed;
      const there = this.byNumber.get(number);
      // The directory may have been removed, and its number with it.
      if (there === undefined || (there instanceof Set ? !there.delete(placed) : there !== placed)) continue;
      if (there instanceof Set && there.size > 0) continue;
      this.byNumber.delete(number);
      E.removeWatch(this.fd, number);
    }
    this.byCallback.delete(changed);
  }

  /** Reads events, and calls the callbacks of their watches, each once. */
  dispatch(): void {
    const due = new Set<() => void>();
    for (const event of E.readFileEvents(this.fd)) {
      if ((event.mask & E.IN_Q_OVERFLOW) !== 0)
        for (const changed of this.byCallback.keys()) due.add(changed);
      const there = this.byNumber.get(event.watch) ?? [];
      for (const placed of "number" in there ? [there] : there) {
        if (concerns(event, placed)) due.add(placed.changed);
      }
      if ((event.mask & E.IN_IGNORED) !== 0) this.byNumber.delete(event.watch);
    }
    for (const changed of due) changed();
  }
}
