import { basicFstat } from "../../../ffi/basic-stat.ts";
import { S_IFMT, S_IFREG } from "../../../ffi/constants.ts";
import { withFd } from "../../../ffi/files.ts";
import { nanoseconds } from "../../../ffi/statx.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import type { Spot } from "../../jail/fs/look.ts";
import { openSource } from "../../jail/fs/source.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { makeNameless, type Placement, putFileIn, type Source } from "../../jail/fs/write.ts";
import type { Entry } from "../entry.ts";
import { stillGrants } from "./link.ts";

/** The parts of an entry that the copy of a file depends on. */
export type FileJob = Pick<Entry, "path" | "source" | "mode" | "uid" | "gid" | "mtime" | "untrusted">;

/** How an entry is put into the jail. */
export const howTo = ({ action }: Pick<Entry, "action">) =>
  action === "replace" ? { replace: true } : { absent: true };

/** Copies a file of the host. `announce` is called when the source has proved to be the planned one. Throws JailkitError. */
export function copyFile(spot: Spot, entry: Entry, announce: () => void): Placement {
  return withPlanned(entry, (source, atime) => {
    announce();
    return putFileIn(spot, source, { ...entry, atime }, howTo(entry));
  });
}

/** Copies a file of the host to one without a name, and returns its descriptor. Throws JailkitError, SystemError. */
export function prepareFile(root: JailRoot, job: FileJob): number {
  return withPlanned(job, (source, atime) => makeNameless(root, root.top, source, { ...job, atime }));
}

function withPlanned<T>(job: Omit<FileJob, "path">, use: (source: Source, atime: bigint) => T): T {
  return withFd(openSource(job.source ?? ""), (fd) => {
    const stat = basicFstat(fd);
    if ((stat.mode & S_IFMT) !== S_IFREG || !stillGrants(job, stat)) {
      throw new JailkitError("changed", 1, `${display(job.source ?? "")}: changed while it was being copied`);
    }
    return use({ fd, size: stat.size, start: 0 }, nanoseconds(stat.atimeSeconds, stat.atimeNanoseconds));
  });
}
