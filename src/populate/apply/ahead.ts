import { SystemError } from "../../../ffi/error.ts";
import { receivedSignal } from "../../../ffi/interrupts.ts";
import { parentOf } from "../../../ffi/paths.ts";
import { JailkitError } from "../../cli/error.ts";
import { isNoRoom } from "../../jail/fs/no-room.ts";
import { type Directory, type JailRoot, withDirectory } from "../../jail/fs/walk.ts";
import type { Placement } from "../../jail/fs/write.ts";
import type { Entry } from "../entry.ts";
import type { LineReporter } from "../reporter.ts";
import type { FileJob } from "./copy-file.ts";
import { type CopyThread, copiesInThreads, copyInThreads, type Outcome, startCopyThread } from "./threads.ts";

type Make = (parent: Directory, entry: Entry) => Placement;

/**
 * Does the work of a plan in two threads if there is much to copy, and returns what became of each entry that was tried:
 * first what is no file, with `make`, since the files need their directories. Undefined if it did nothing.
 */
export async function workAhead(
  root: JailRoot,
  entries: readonly Entry[],
  reporter: LineReporter,
  make: Make,
): Promise<ReadonlyMap<Entry, Outcome> | undefined> {
  const wanted = entries.filter(({ action }) => action !== "keep");
  const files = wanted.filter(({ type }) => type === "file");
  if (!copiesInThreads(files.length)) return undefined;
  // It starts while the directories are made.
  const thread = startCopyThread();
  try {
    return await work(root, entries, wanted, files, thread, reporter, make);
  } finally {
    thread.end();
  }
}

async function work(
  root: JailRoot,
  entries: readonly Entry[],
  wanted: readonly Entry[],
  files: readonly Entry[],
  thread: CopyThread,
  reporter: LineReporter,
  make: Make,
): Promise<ReadonlyMap<Entry, Outcome>> {
  const ahead = new Map<Entry, Outcome>();
  for (const entry of wanted) {
    if (entry.type === "file") continue;
    if (receivedSignal() !== undefined) return ahead;
    const result = tryTo(() => withDirectory(root, parentOf(entry.path), (parent) => make(parent, entry)));
    ahead.set(entry, { announced: true, result });
    if (isNoRoom(result)) return ahead;
  }
  let done = entries.length - files.length;
  const step = () => {
    // The other thread is about as fast.
    done = Math.min(done + 2, entries.length);
    reporter.progress(done, entries.length);
  };
  const outcomes = await copyInThreads(root, files.map(jobOf), thread, step);
  for (const [index, entry] of files.entries()) {
    const outcome = outcomes[index];
    if (outcome !== undefined) ahead.set(entry, outcome);
  }
  return ahead;
}

function tryTo(work: () => Placement): Outcome["result"] {
  try {
    return work();
  } catch (error) {
    if (error instanceof SystemError || error instanceof JailkitError) return error;
    throw error;
  }
}

function jobOf({ path, source, action, mode, uid, gid, atime, mtime, untrusted }: Entry): FileJob {
  return { path, source, action, mode, uid, gid, atime, mtime, untrusted };
}
