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
  IN_MOVE_SELF,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_ONLYDIR,
  IN_Q_OVERFLOW,
  openInotify,
  readFileEvents,
  removeWatch,
} from "../../../ffi/events.ts";

/** Names that come, go, or are exchanged, and the directory itself going. */
export const NAMES =
  IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB;
/** Files that are complete, or are gone. */
export const CONTENTS =
  IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB;

const IN_MASK_ADD = 0x20000000;

interface Interest {
  path: ByteString;
  mask: number;
  /** The one name in the directory that matters; undefined: any. */
  name: ByteString | undefined;
  changed: () => void;
}

/** Directories that are watched through one inotify descriptor. */
export interface Watches {
  readonly fd: number;
  /** From here on `changed` is called for what `mask` tells of the directory. False where there is none. */
  add(interest: Readonly<Interest>): boolean;
  /** Forgets all that was added with this callback. */
  forget(changed: () => void): void;
  /** Calls whom it concerns, each once, after something happened. */
  dispatch(): void;
}

/** Opens inotify(7). */
export function openWatches(): Watches {
  const fd = openInotify();
  const interests = new Map<number, Interest[]>();

  function concerns(event: FileEvent, interest: Interest): boolean {
    if ((event.mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF)) !== 0) return true;
    if ((event.mask & interest.mask) === 0) return false;
    return interest.name === undefined || event.name === "" || event.name === interest.name;
  }

  return {
    fd,
    add(interest) {
      let watch: number;
      try {
        watch = addWatch(fd, interest.path, interest.mask | IN_ONLYDIR | IN_MASK_ADD);
      } catch (error) {
        if (isErrno(error, "ENOENT", "ENOTDIR", "ENOSPC", "EACCES", "ELOOP")) return false;
        throw error;
      }
      interests.set(watch, [...(interests.get(watch) ?? []), interest]);
      return true;
    },
    forget(changed) {
      for (const [watch, all] of interests) {
        const left = all.filter((interest) => interest.changed !== changed);
        if (left.length === all.length) continue;
        if (left.length > 0) interests.set(watch, left);
        else {
          interests.delete(watch);
          removeWatch(fd, watch);
        }
      }
    },
    dispatch() {
      const due = new Set<() => void>();
      for (const event of readFileEvents(fd)) {
        const lost = (event.mask & IN_Q_OVERFLOW) !== 0;
        const whose = lost ? [...interests.values()].flat() : (interests.get(event.watch) ?? []);
        for (const interest of whose) if (lost || concerns(event, interest)) due.add(interest.changed);
        if ((event.mask & IN_IGNORED) !== 0) interests.delete(event.watch);
      }
      for (const changed of due) changed();
    },
  };
}
