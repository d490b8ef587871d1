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

function concerns(event: E.FileEvent, watch: Watch): boolean {
  if ((event.mask & (E.IN_IGNORED | MOVED)) !== 0) return true;
  if ((event.mask & watch.mask) === 0) return false;
  return watch.name === undefined || event.name === "" || event.name === watch.name;
}

/** Directories that are watched through one descriptor of inotify(7). */
export class Watches {
  readonly fd = E.openInotify();
  private readonly byNumber = new Map<number, Watch[]>();

  /** Calls `changed` after the events of `mask` in the directory. False if there is no such directory. */
  add(watch: Watch): boolean {
    let number: number;
    try {
      number = E.addWatch(this.fd, watch.path, watch.mask | E.IN_ONLYDIR | E.IN_MASK_ADD);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR", "ENOSPC", "EACCES", "ELOOP")) return false;
      throw error;
    }
    this.byNumber.set(number, [...(this.byNumber.get(number) ?? []), watch]);
    return true;
  }

  /** Removes every watch with this callback. */
  forget(changed: () => void): void {
    for (const [number, all] of this.byNumber) {
      const left = all.filter((watch) => watch.changed !== changed);
      if (left.length === all.length) continue;
      if (left.length > 0) this.byNumber.set(number, left);
      else {
        this.byNumber.delete(number);
        E.removeWatch(this.fd, number);
      }
    }
  }

  /** Reads events, and calls the callbacks of their watches, each once. */
  dispatch(): void {
    const due = new Set<() => void>();
    for (const event of E.readFileEvents(this.fd)) {
      const lost = (event.mask & E.IN_Q_OVERFLOW) !== 0;
      const candidates = lost ? [...this.byNumber.values()].flat() : (this.byNumber.get(event.watch) ?? []);
      for (const watch of candidates) if (lost || concerns(event, watch)) due.add(watch.changed);
      if ((event.mask & E.IN_IGNORED) !== 0) this.byNumber.delete(event.watch);
    }
    for (const changed of due) changed();
  }
}
