import { libc } from "./libc.ts";

const STRUCTURE = 120;

/** fstatfs(2): struct statfs of an open file, which may be O_PATH; undefined, with errno, if it fails. */
export function fileSystemOf(fd: number): DataView | undefined {
  const buffer = new Uint8Array(STRUCTURE);
  // SAFETY: a whole struct statfs.
  return libc.fstatfs(fd, buffer) < 0 ? undefined : new DataView(buffer.buffer);
}

/** The id of the file system of an open file (`f_fsid`), in hexadecimal; undefined if it has none, or that cannot be read. */
export function fileSystemId(fd: number): string | undefined {
  const id = fileSystemOf(fd)?.getBigUint64(56, true);
  return id === undefined || id === 0n ? undefined : id.toString(16);
}
