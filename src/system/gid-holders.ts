import { withFd } from "../../ffi/files.ts";
import { stopIfInterrupted } from "../cli/interrupt.ts";
import type { Holder } from "./holders.ts";
import { lookingAt } from "./looking-at.ts";
import { SeenProcesses } from "./pids.ts";
import { namesIn, openProc, readOf, uidsOf } from "./processes.ts";

/** Real, effective, saved and file system's group id of a thread (proc(5)). */
const GIDS = /^Gid:\t(\d+)\t(\d+)\t(\d+)\t(\d+)/m;
// What was started meanwhile may have the gid from one that was not looked at.
const PASSES = 3;

/** A process with one of some gids. */
export interface GidHolder extends Holder {
  readonly gid: number;
}

/**
 * The processes of other users than root that run with one of `gids`, which all members can have, and others by a setgid program:
 * not as one of their further groups, which no program gives. Throws JailkitError "no-proc", "interrupted" and SystemError.
 */
export function holdersOfGids(gids: Pick<ReadonlySet<number>, "has">, stop: string): readonly GidHolder[] {
  const found: GidHolder[] = [];
  withFd(openProc(), (proc) => {
    const seen = new SeenProcesses();
    for (let pass = 0; pass < PASSES; pass++)
      for (const pid of seen.newIn(proc)) {
        stopIfInterrupted(stop);
        const uids = uidsOf(proc, pid, undefined, stop);
        if (uids.size === 0 || (uids.size === 1 && uids.has("0"))) continue;
        const own = lookingAt(pid, () => gidsOf(proc, pid, stop));
        for (const gid of own) if (gids.has(gid)) found.push({ pid, uids, gid });
      }
  });
  return found;
}

function gidsOf(proc: number, pid: number, stop: string): ReadonlySet<number> {
  const own = new Set<number>();
  for (const thread of namesIn(proc, `${pid}/task`)) {
    stopIfInterrupted(stop);
    for (const gid of GIDS.exec(readOf(proc, `${pid}/task/${thread}`, "status"))?.slice(1) ?? [])
      own.add(Number(gid));
  }
  return own;
}
