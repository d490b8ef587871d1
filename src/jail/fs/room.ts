import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { LONGEST_WHOLE } from "../../../ffi/copy.ts";
import { birthAt } from "../../../ffi/extents.ts";
import { fileSystemOf } from "../../../ffi/statfs.ts";
import type { JailRoot } from "./walk.ts";

// struct statfs (statfs(2)) on 64-bit Linux
const BLOCK_SIZE = 8;
const BLOCKS_FREE = 24;
const BLOCKS_AVAILABLE = 32;
const FILES = 40;
const FILES_FREE = 48;

// For files that are not counted: the library cache, passwd and group.
const BESIDES = 1 << 17;

/** A file to write. */
export interface Entry {
  readonly size: number;
}

/** The same, and the space that its source takes, in bytes. */
export interface SizedEntry extends Entry {
  readonly allocated: number;
}

export type Room = NonNullable<ReturnType<typeof roomAt>>;

/** The free space of the file system of an open directory; undefined if unknown. */
export function roomAt(fd: number) {
  const view = fileSystemOf(fd);
  if (view === undefined) return undefined;
  const number = (offset: number) => Number(view.getBigUint64(offset, true));
  const block = number(BLOCK_SIZE);
  return {
    type: Number(view.getBigUint64(0, true)),
    block,
    /** Bytes: for root, and for users, who do not get the reserved blocks. */
    free: number(BLOCKS_FREE) * block,
    available: number(BLOCKS_AVAILABLE) * block,
    /** The number of files that can be created; undefined without such a limit. */
    files: number(FILES) === 0 ? undefined : number(FILES_FREE),
  };
}

/** The bytes that entries need on disk: at least one block each. */
export function bytesOf(entries: readonly Entry[], block: number): number {
  if (entries.length === 0) return 0;
  return entries.reduce((sum, { size }) => sum + Math.max(1, Math.ceil(size / block)) * block, BESIDES);
}

/** True if the entries certainly need more than the free space of the jail's file system. */
export function lacksRoom(root: JailRoot, entries: readonly Entry[]): boolean {
  const room = roomAt(root.fd);
  return room !== undefined && bytesOf(entries, room.block) > room.free;
}

const TMPFS = 0x01021994;

// Of these one knows what a file takes: none compresses, or shares what is copied (statfs(2)).
const PLAIN_SYSTEMS = [TMPFS, 0xef53 /* ext4 */];

/** True for the file system of a room on which leastBytes says what entries take. */
export const isPlain = ({ type }: Room): boolean => PLAIN_SYSTEMS.includes(type);

/** The least that entries take on a plain file system: neither holes of their sources nor what an inode may hold. */
export function leastBytes<T extends Entry>(
  entries: readonly T[],
  { type, block }: Pick<Room, "type" | "block">,
  allocatedFor: (entry: T) => number,
): number {
  // Inodes of ext4 may be as large as a block, and have small contents in themselves (inline_data); those of tmpfs have none.
  const inInode = type === TMPFS ? 0 : block - 1;
  const written = (entry: T) =>
    entry.size > LONGEST_WHOLE ? Math.min(entry.size, allocatedFor(entry)) : entry.size;
  const least = (entry: T) => (entry.size <= inInode ? 0 : Math.ceil(written(entry) / block) * block);
  return entries.reduce((sum, entry) => sum + least(entry), 0);
}

/** The space that the source of an entry takes, in bytes; 0 if there is none. */
export const allocatedAt = (source: ByteString | undefined): number =>
  (source === undefined ? undefined : birthAt(AT_FDCWD, source))?.allocated ?? 0;
