import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { close } from "../../ffi/files.ts";
import { plainPath } from "../../ffi/paths.ts";
import { flatFirstAccounts } from "../system/flat-accounts.ts";
import { lookingAt } from "../system/looking-at.ts";
import { openProc } from "../system/processes.ts";
import { describeProcess, isKernelThread, type JailedProcess, type ProcessDetails } from "./process.ts";
import { type Root, RootReader } from "./roots.ts";
import { identify, ownRoot, type ProcessPath, type RootIdentity, sameDirectory, scanRoots } from "./scan.ts";

interface ListRequest extends ProcessDetails {
  /** Only processes in these jails; all jails if it is empty. */
  jails: readonly ByteString[];
  /** Include processes of containers. */
  containers: boolean;
}

/** The jailed processes, and the numbers of processes that were left out. */
export interface ProcessList {
  /** Sorted by jail, then by pid. */
  processes: JailedProcess[];
  /** Processes of containers. */
  containers: number;
  ended: number;
  unreadable: number;
}

/** Whether a root is a requested one: the same directory, or, if it was removed, the same name. */
function jailFilter(jails: readonly ByteString[]): (root: Root) => boolean {
  if (jails.length === 0) return () => true;
  const wanted = jails.map((path) => ({ path: plainPath(path), identity: identify(AT_FDCWD, path) }));
  return ({ identity, name, kind }) =>
    wanted.some(({ path, identity: asked }) => {
      if (asked !== undefined && identity !== undefined && sameDirectory(asked, identity)) return true;
      return kind === "jail" && name === path && (asked === undefined || identity === undefined);
    });
}

/**
 * Lists the processes whose root directory is not that of this process. Processes that end in the meantime, or that
 * this one may not examine, are counted. Throws JailkitError if /proc is not mounted.
 */
export function listProcesses({ jails, containers, ...details }: ListRequest): ProcessList {
  const proc = openProc();
  try {
    const own = ownRoot();
    const scan = lookingAt(undefined, () => scanRoots(proc, own));
    const roots = new RootReader(proc, own);
    const isWanted = jailFilter(jails);
    const { ended, unreadable } = scan;
    const list: ProcessList = { processes: [], containers: 0, ended, unreadable };
    const isHidden = (root: Root) =>
      root.kind === "container" && !containers && (jails.length === 0 || !isWanted(root));
    /** Adds processes with the same root. */
    const add = (paths: readonly ProcessPath[], identity: RootIdentity | undefined) => {
      let root: Root | undefined;
      for (const path of paths) {
        // Any of them shows the root, unless it ends just then or is a kernel thread.
        if (root === undefined && isKernelThread(proc, path)) continue;
        root ??= roots.read(path, identity);
        if (root === undefined) {
          list[identity === undefined ? "unreadable" : "ended"]++;
          continue;
        }
        if (isHidden(root)) list.containers += paths.length;
        if (isHidden(root) || root.kind === "host" || !isWanted(root)) return;
        const found = describeProcess(proc, path, root, details);
        if (found === undefined) list.ended++;
        else list.processes.push(found);
      }
    };
    for (const { processes, identity } of scan.groups) add(processes, identity);
    for (const path of scan.unexamined) add([path], undefined);
    list.processes.sort((a, b) =>
      a.root.name < b.root.name ? -1 : a.root.name > b.root.name ? 1 : a.pid - b.pid,
    );
    return list;
  } finally {
    close(proc);
  }
}

/** Returns the names of users by uid, and looks each up once; undefined for a uid without a known account. */
export function userNames(): (uid: number) => ByteString | undefined {
  const names = new Map<number, ByteString | undefined>();
  // Without an answer of the name service only the name is missing.
  const find = (uid: number) => attempt(() => flatFirstAccounts.userByUid(uid)?.name);
  return (uid) => names.getOrInsertComputed(uid, find);
}
