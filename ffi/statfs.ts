import { libc } from "./libc.ts";

const STRUCTURE = 120;

/** fstatfs(2): struct statfs of an open file, which may be O_PATH; undefined, with errno, if it fails. */
export function fileSystemOf(fd: number): DataView | undefined {
  const buffer = new Uint8Array(STRUCTURE);
  // SAFETY: a whole struct statfs.
  return libc.fstatfs(fd, buffer) < 0 ? undefined : new DataView(buffer.buffer);
}
