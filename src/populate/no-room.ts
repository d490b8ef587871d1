import type { ByteString } from "../../ffi/bytes.ts";
import { isErrno } from "../../ffi/error.ts";
import { libc } from "../../ffi/libc.ts";
import { display } from "../cli/display.ts";
import { shellWord } from "../cli/shell-word.ts";
import type { Entry, Problem } from "./entry.ts";

// struct statfs (statfs(2)) on 64-bit Linux
const STATFS_BYTES = 120;
const BLOCK_SIZE = 8;
const BLOCKS_AVAILABLE = 32;

/** How many bytes can still be written where an open directory is; undefined where that cannot be told. */
function bytesLeft(fd: number): number | undefined {
  const buffer = new Uint8Array(STATFS_BYTES);
  if (libc.fstatfs(fd, buffer) < 0) return undefined;
  const view = new DataView(buffer.buffer);
  return Number(view.getBigInt64(BLOCK_SIZE, true) * view.getBigUint64(BLOCKS_AVAILABLE, true));
}

const megabytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;

/**
 * What to say, in the place of an error for each file, where the file system of a jail is full or cannot be written:
 * what is missing and how much, and that the same run goes on from there. Undefined for any other error. `left`: the
 * entries that are not there yet.
 */
export function noRoom(
  error: unknown,
  jail: { path: ByteString; fd: number },
  left: readonly Entry[],
  total: number,
): Problem | undefined {
  const done = `${total - left.length} of ${total} objects are in place`;
  const { path } = jail;
  if (isErrno(error, "EROFS")) {
    const command = `mount -o remount,rw "$(stat -c %m ${shellWord(path)})"`;
    const message = `${display(path)}: its file system is read-only (${done}): ${command}, and run this again`;
    return { code: "read-only", path, message };
  }
  if (!isErrno(error, "ENOSPC", "EDQUOT")) return undefined;
  const needed = left.reduce((sum, { size }) => sum + size, 0);
  const free = bytesLeft(jail.fd);
  const lacks =
    error.code === "EDQUOT"
      ? "the quota is used up"
      : free !== undefined && free >= needed
        ? "no more files can be made on its file system (see df -i)"
        : "its file system is full";
  const room = free === undefined ? "" : `, ${megabytes(free)} are free`;
  const message = `${display(path)}: ${lacks}: ${megabytes(needed)} more are needed${room} (${done}); make room, and run this again`;
  return { code: "no-room", path, message };
}
