import type { ByteString } from "../../ffi/bytes.ts";
import { attempt } from "../../ffi/error.ts";
import { fstat, readLink, withFd } from "../../ffi/files.ts";
import { stopIfInterrupted } from "../cli/interrupt.ts";
import { FileTables } from "./file-tables.ts";
import { hostText } from "./host-files.ts";
import { lookingAt } from "./looking-at.ts";
import {
  below,
  isIn,
  LIMIT,
  type Mount,
  mountOver,
  ownMounts,
  type Place,
  parseMounts,
  placeOn,
} from "./mountinfo.ts";
import { pidsIn } from "./pids.ts";
import { namesIn, openProc, uidsOf } from "./processes.ts";

/**
 * The processes of other users than root that work in an open directory, by their first uid: their root or working directory or
 * an open file is there or below, by whatever mount, or their mount namespace has a mount of its own that shows a part of it; all of
 * them, or some. Throws JailkitError "no-proc", and with `stop` "interrupted", SystemError.
 */
export function worksIn(
  directory: number,
  { pids, uid: wanted, stop }: Which = {},
): ReadonlyMap<number, readonly number[]> {
  const found = new Map<number, number[]>();
  withFd(openProc(), (proc) => {
    const path = readLink(proc, `self/fd/${directory}`);
    const own = ownMounts();
    const { mountId } = fstat(directory);
    const mount = own.find(({ id }) => id === mountId);
    const place = mount && placeOn(mount, path);
    const known = new Map<ByteString, View>([[namespaceOf(proc, "self"), { mounts: own, shows: false }]]);
    const viewOf = (pid: number) =>
      known.getOrInsertComputed(namespaceOf(proc, pid), () => {
        const mounts = mountsOf(pid);
        return { mounts, shows: place !== undefined && shownBy(mounts, own, place) };
      });
    for (const pid of pids ?? pidsIn(proc)) {
      const [uid = "0", ...others] = uidsOf(proc, pid, undefined, stop);
      if (uid === "0" || others.includes("0") || (wanted !== undefined && Number(uid) !== wanted)) continue;
      if (stop !== undefined) stopIfInterrupted(stop);
      const isIn = lookingAt(pid, () => {
        const { mounts, shows } = viewOf(pid);
        const isThere = (one: ByteString) =>
          below(one, path) !== undefined || (place !== undefined && leadsInto(one, mounts, place));
        return shows || placesOf(proc, pid).some(isThere);
      });
      if (isIn) found.getOrInsertComputed(Number(uid), () => []).push(pid);
    }
  });
  return found;
}

interface Which {
  readonly pids?: readonly number[];
  readonly uid?: number;
  readonly stop?: ByteString;
}

/** What the processes of a mount namespace see. */
interface View {
  readonly mounts: readonly Mount[];
  /** It shows a part of the directory by a mount that the host does not have. */
  readonly shows: boolean;
}

/** The mount namespace of a process; one that has ended has none. */
const namespaceOf = (proc: number, pid: number | "self"): ByteString =>
  attempt(() => readLink(proc, `${pid}/ns/mnt`)) ?? "";

const mountsOf = (pid: number): readonly Mount[] =>
  parseMounts(attempt(() => hostText(`/proc/${pid}/mountinfo`, LIMIT)) ?? "");

/** Whether some mounts, besides those that the host has, show a part of a place: nobody enters it from above. */
const shownBy = (mounts: readonly Mount[], host: readonly Mount[], place: Place): boolean =>
  mounts.some(
    ({ device, root }) =>
      isIn({ device, path: root }, place) && !host.some((one) => one.device === device && one.root === root),
  );

/** Whether a path leads into a place by the last mount that has it. */
function leadsInto(path: ByteString, mounts: readonly Mount[], place: Place): boolean {
  const by = mountOver(mounts, path);
  const there = by && placeOn(by, path);
  return there !== undefined && isIn(there, place);
}

/** For how long a lease (fcntl(2)) keeps a file from being opened, since somebody has asked for it. */
export const leaseSeconds = (): number => Number(hostText("/proc/sys/fs/lease-break-time") ?? 45);

/** Where the threads of a process work: each can have a directory and descriptors of its own. What is found first is mostly enough. */
function* placesOf(proc: number, pid: number): Generator<ByteString> {
  using tables = new FileTables(proc);
  const threads = namesIn(proc, `${pid}/task`).map((tid) => `${pid}/task/${tid}`);
  for (const thread of threads) yield* linksOf(proc, thread, ["root", "cwd"]);
  for (const thread of threads)
    if (!tables.isKnown(thread)) yield* linksOf(proc, `${thread}/fd`, namesIn(proc, `${thread}/fd`));
}

function* linksOf(proc: number, directory: ByteString, names: readonly ByteString[]): Generator<ByteString> {
  for (const name of names) {
    const link = attempt(() => readLink(proc, `${directory}/${name}`));
    if (link !== undefined) yield link;
  }
}
