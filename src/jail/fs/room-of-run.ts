import type { ByteString } from "../../../ffi/bytes.ts";
import type { Stat } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { withTree } from "./look.ts";
import { type Failure, full, megabytes, mountOf, nearest } from "./no-room.ts";
import { isPlain, leastBytes, roomAt, type SizedEntry } from "./room.ts";
import { release } from "./walk.ts";

type Device = Pick<Stat, "devMajor" | "devMinor">;
const deviceOf = ({ devMajor, devMinor }: Device): string => `${devMajor}:${devMinor}`;

/** The room that a run takes on file systems, where each step has what those before it leave. */
export class RoomOfRun {
  /** By the device: the number of files, and bytes. */
  readonly #taken = new Map<string, { readonly files: number; readonly bytes: number }>();

  /**
   * The problem that entries certainly have too little room in a directory of a jail, or in the nearest above it; if there may
   * be enough, they count for the later ones. `progress`: as for noRoom.
   */
  take(
    jail: ByteString,
    directory: ByteString,
    entries: readonly SizedEntry[],
    progress: string,
  ): Failure | undefined {
    return withTree((tree) => {
      const place = nearest(tree, directory);
      const room = roomAt(place.fd);
      const { stat } = place;
      release(place);
      if (room === undefined) return undefined;
      const before = this.#taken.get(deviceOf(stat)) ?? { files: 0, bytes: 0 };
      const after = (free: number) => Math.max(0, free - before.bytes);
      const files = room.files === undefined ? undefined : Math.max(0, room.files - before.files);
      const left = { ...room, files, free: after(room.free), available: after(room.available) };
      const bytes = leastBytes(entries, room, ({ allocated }) => allocated);
      const lacks = (files ?? entries.length) < entries.length || (isPlain(room) && bytes > left.free);
      if (!lacks) {
        this.#add(stat, entries.length, bytes);
        return undefined;
      }
      const path = mountOf(tree, jail) === stat.mountId ? jail : place.path;
      const where = path === jail ? progress : `${progress} in ${display(jail)}`;
      const [most, names] = [Math.max(0, before.bytes), Math.max(0, before.files)];
      const others = `what comes there before takes ${megabytes(most)} and ${names} files`;
      return full("ENOSPC", path, entries, most + names > 0 ? `${where}; ${others}` : where, left);
    });
  }

  /** Entries leave a file system. */
  give(stat: Device, entries: readonly SizedEntry[]): void {
    const bytes = entries.reduce((sum, { allocated }) => sum + allocated, 0);
    this.#add(stat, -entries.length, -bytes);
  }

  #add(stat: Device, files: number, bytes: number): void {
    const before = this.#taken.get(deviceOf(stat)) ?? { files: 0, bytes: 0 };
    this.#taken.set(deviceOf(stat), { files: before.files + files, bytes: before.bytes + bytes });
  }
}
