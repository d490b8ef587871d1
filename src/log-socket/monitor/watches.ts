import type { ByteString } from "../../../ffi/bytes.ts";
import { isErrno } from "../../../ffi/error.ts";
import {
  addWatch,
  type FileEvent,
  IN_ATTRIB,
  IN_CLOSE_WRITE,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_IGNORED,
  IN_MASK_ADD,
  IN_MOVE_SELF,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_ONLYDIR,
  IN_Q_OVERFLOW,
  openInotify,
  readFileEvents,
  removeWatch,
} from "../../../ffi/events.ts";

/** Names that appear, disappear or are replaced, and the end of the directory itself. */
export const NAMES =
  IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB;
/** Files that are complete, or removed. */
export const CONTENTS =
  IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB;

interface Watch {
  path: ByteString;
  mask: number;
  /** The one name in the directory that matters; undefined: any. */
  name: ByteString | undefined;
  changed: () => void;
}

/** Directories that are watched through one inotify descriptor. */
export interface Watches {
  readonly fd: number;
  /** Calls `changed` after the events of `mask` in the directory. False if there is no such directory. */
  add(watch: Readonly<Watch>): boolean;
  /** Removes every watch with this callback. */
  forget(changed: () => void): void;
  /** Reads events, and calls the callbacks of their watches, each once. */
  dispatch(): void;
}

/** Opens inotify(7). */
export function openWatches(): Watches {
  const fd = openInotify();
  const byNumber = new Map<number, Watch[]>();

  function concerns(event: FileEvent, watch: Watch): boolean {
    if ((event.mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) !== 0) return true;
    if ((event.mask & watch.mask) === 0) return false;
    return watch.name === undefined || event.name === "" || event.name === watch.name;
  }

  return {
    fd,
    add(watch) {
      let number: number;
      try {
        number = addWatch(fd, watch.path, watch.mask | IN_ONLYDIR | IN_MASK_ADD);
      } catch (error) {
        if (isErrno(error, "ENOENT", "ENOTDIR", "ENOSPC", "EACCES", "ELOOP")) return false;
        throw error;
      }
      byNumber.set(number, [...(byNumber.get(number) ?? []), watch]);
      return true;
    },
    forget(changed) {
      for (const [number, all] of byNumber) {
        const left = all.filter((watch) => watch.changed !== changed);
        if (left.length === all.length) continue;
        if (left.length > 0) byNumber.set(number, left);
        else {
          byNumber.delete(number);
          removeWatch(fd, number);
        }
      }
    },
    dispatch() {
      const due = new Set<() => void>();
      for (const event of readFileEvents(fd)) {
        const lost = (event.mask & IN_Q_OVERFLOW) !== 0;
        const candidates = lost ? [...byNumber.values()].flat() : (byNumber.get(event.watch) ?? []);
        for (const watch of candidates) if (lost || concerns(event, watch)) due.add(watch.changed);
        if ((event.mask & IN_IGNORED) !== 0) byNumber.delete(event.watch);
      }
      for (const changed of due) changed();
    },
  };
}
