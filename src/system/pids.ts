import { readDirectory, statIfPresent } from "../../ffi/files.ts";

/** The pids in an open /proc. */
export const pidsIn = (proc: number) =>
  readDirectory(proc).flatMap(({ name }) => (/^\d+$/.test(name) ? [Number(name)] : []));

/**
 * The processes that were looked at. Others get their pids, soon where somebody starts many: but the directory of each in
 * proc(5) is an inode of its own. One that the kernel has dropped from memory in between counts as new, which costs a look.
 */
export class SeenProcesses {
  readonly #inodes = new Map<number, bigint | undefined>();

  /** The pids in an open /proc that were not seen, and are then. Those that were started last come first: they end first. */
  *newIn(proc: number): Generator<number, void> {
    for (const pid of pidsIn(proc).reverse()) {
      const inode = statIfPresent(proc, `${pid}`)?.ino;
      if (this.#inodes.has(pid) && this.#inodes.get(pid) === inode) continue;
      this.#inodes.set(pid, inode);
      yield pid;
    }
  }
}
