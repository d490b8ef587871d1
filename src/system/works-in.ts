import type { ByteString } from "../../ffi/bytes.ts";
import { attempt } from "../../ffi/error.ts";
import { readLink, withFd } from "../../ffi/files.ts";
import { hostText } from "./host-files.ts";
import { below } from "./mountinfo.ts";
import { namesIn, openProc, pidsIn, uidsOf } from "./processes.ts";

/**
 * The processes of other users than root that work in an open directory, by their first uid: their working directory or an open
 * file is there or below. Throws JailkitError "no-proc", SystemError.
 */
export function worksIn(directory: number): ReadonlyMap<number, readonly number[]> {
  const found = new Map<number, number[]>();
  withFd(openProc(), (proc) => {
    const place = readLink(proc, `self/fd/${directory}`);
    for (const pid of pidsIn(proc)) {
      const [uid = "0", ...others] = uidsOf(proc, pid);
      if (uid === "0" || others.includes("0")) continue;
      if (placesOf(proc, pid).some((path) => below(path, place) !== undefined))
        found.getOrInsertComputed(Number(uid), () => []).push(pid);
    }
  });
  return found;
}

/** For how long a lease (fcntl(2)) keeps a file from being opened, since somebody has asked for it. */
export const leaseSeconds = (): number => Number(hostText("/proc/sys/fs/lease-break-time") ?? 45);

/** Where the threads of a process work: each can have a directory and descriptors of its own. */
function placesOf(proc: number, pid: number): readonly ByteString[] {
  return namesIn(proc, `${pid}/task`).flatMap((tid) => {
    const thread = `${pid}/task/${tid}`;
    const links = [`${thread}/cwd`, ...namesIn(proc, `${thread}/fd`).map((fd) => `${thread}/fd/${fd}`)];
    return links.flatMap((link) => attempt(() => readLink(proc, link)) ?? []);
  });
}
