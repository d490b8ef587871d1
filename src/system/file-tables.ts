import type { ByteString } from "../../ffi/bytes.ts";
import { O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { close, openAt, readLink } from "../../ffi/files.ts";
import { shareFiles } from "../../ffi/share-files.ts";
import { readOf } from "./processes.ts";

/** A thread whose descriptors were looked at. */
interface Known {
  readonly tid: number;
  /** In /proc, open. */
  readonly directory: number;
}

// Nearly always there is one; whoever has more pays for each.
const MOST_TABLES = 16;

/**
 * The tables of descriptors that threads of a process have, by kcmp(2). Where that is not there, or the open /proc is that of
 * another namespace, each thread counts as one with a table of its own.
 */
export class FileTables {
  readonly #known: Known[] = [];
  readonly #isOwn: boolean;

  constructor(private readonly proc: number) {
    this.#isOwn = attempt(() => readLink(proc, "self")) === `${process.pid}`;
  }

  /** Whether a thread, by its path in /proc, has the table of one that was asked about before, and that has not ended. */
  isKnown(thread: ByteString): boolean {
    if (!this.#isOwn) return false;
    const tid = Number(thread.slice(thread.lastIndexOf("/") + 1));
    // The number of one that has ended may be another thread's by now: that it is there is looked at last.
    const isIt = (one: Known) => shareFiles(tid, one.tid) && readOf(one.directory, ".", "status") !== "";
    if (this.#known.some(isIt)) return true;
    const oldest = this.#known.length === MOST_TABLES ? this.#known.shift() : undefined;
    if (oldest !== undefined) close(oldest.directory);
    const directory = attempt(() => openAt(this.proc, thread, O_RDONLY | O_DIRECTORY));
    if (directory !== undefined) this.#known.push({ tid, directory });
    return false;
  }

  [Symbol.dispose](): void {
    for (const { directory } of this.#known) close(directory);
  }
}
