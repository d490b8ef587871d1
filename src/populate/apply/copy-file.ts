import { basicFstat } from "../../../ffi/basic-stat.ts";
import { S_IFMT, S_IFREG } from "../../../ffi/constants.ts";
import { withFd } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import type { Spot } from "../../jail/fs/look.ts";
import { openSource } from "../../jail/fs/source.ts";
import { type Placement, putFileIn } from "../../jail/fs/write.ts";
import type { Entry } from "../entry.ts";
import { stillGrants } from "./link.ts";

/** The parts of an entry of a file that a copy needs; a thread gets no more. */
export type FileJob = Pick<
  Entry,
  "path" | "source" | "action" | "mode" | "uid" | "gid" | "atime" | "mtime" | "untrusted"
>;

/** How an entry is put into the jail. */
export const howTo = ({ action }: Pick<Entry, "action">) =>
  action === "replace" ? { replace: true } : { absent: true };

/** Copies a file of the host. `announce` is called when the source has proved to be the planned one. Throws JailkitError. */
export function copyFile(spot: Spot, job: FileJob, announce: () => void): Placement {
  return withFd(openSource(job.source ?? ""), (fd) => {
    const stat = basicFstat(fd);
    if ((stat.mode & S_IFMT) !== S_IFREG || !stillGrants(job, stat)) {
      throw new JailkitError("changed", 1, `${display(job.source ?? "")}: changed while it was being copied`);
    }
    announce();
    return putFileIn(spot, { fd, size: stat.size, start: 0 }, job, howTo(job));
  });
}
