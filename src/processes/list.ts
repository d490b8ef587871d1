import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { close } from "../../ffi/files.ts";
import { describeProcess, isKernelThread, type JailedProcess } from "./process.ts";
import { type Root, rootJudge } from "./roots.ts";
import { identify, openProc, ownRoot, type RootIdentity, sameDirectory, scanRoots } from "./scan.ts";

/** What is asked for. */
export interface ListRequest {
  /** Only processes in these jails; all where it is empty. */
  jails: readonly ByteString[];
  /** Processes of containers, too. */
  containers: boolean;
  /** The parents are wanted; that costs reading one more file for each jailed process. */
  parents: boolean;
}

/** The jailed processes, and how many others were not looked at. */
export interface ProcessList {
  /** By jail in the order of bytes, and of one jail as /proc has them: by number. */
  processes: JailedProcess[];
  /** Processes of containers that were left out. */
  containers: number;
  ended: number;
  unreadable: number;
}

/** A path without doubled slashes, "." and a slash at the end, for comparison with what the kernel shows. */
export function plain(path: ByteString): ByteString {
  return `/${path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/")}`;
}

/** Whether a root is one of those that were asked for: the same directory, or, where it is gone, the same name. */
function jailFilter(jails: readonly ByteString[]): (root: Root) => boolean {
  if (jails.length === 0) return () => true;
  const wanted = jails.map((path) => ({ path: plain(path), identity: identify(AT_FDCWD, path) }));
  return ({ identity, name, kind }) =>
    wanted.some(({ path, identity: asked }) => {
      if (asked !== undefined && identity !== undefined && sameDirectory(asked, identity)) return true;
      return kind === "jail" && name === path && (asked === undefined || identity === undefined);
    });
}

/**
 * Lists the processes with another root directory than this process has. A process that ends meanwhile, or that this
 * one may not look at, is counted and passed over. Throws JailkitError where /proc is not mounted.
 */
export function listProcesses({ jails, containers, parents }: ListRequest): ProcessList {
  const proc = openProc();
  try {
    const own = ownRoot();
    const scan = scanRoots(proc, own);
    const list: ProcessList = {
      processes: [],
      containers: 0,
      ended: scan.ended,
      unreadable: scan.unreadable,
    };
    const judge = rootJudge(proc, own);
    const wanted = jailFilter(jails);

    const add = (pids: readonly number[], identity: RootIdentity | undefined) => {
      let root: Root | undefined;
      for (const pid of pids) {
        // Any of them can tell of their root, unless it ends just then; a thread of the kernel's has nothing to tell.
        if (root === undefined && isKernelThread(proc, pid)) continue;
        root ??= judge.judge(pid, identity);
        if (root === undefined) {
          if (identity === undefined) list.unreadable++;
          else list.ended++;
          continue;
        }
        if (root.kind === "host") return;
        // A container's root that is named is asked for.
        if (root.kind === "container" && !containers && !(jails.length > 0 && wanted(root))) {
          list.containers += pids.length;
          return;
        }
        if (!wanted(root)) return;
        const found = describeProcess(proc, pid, root, parents);
        if (found === undefined) list.ended++;
        else list.processes.push(found);
      }
    };
    for (const { pids, identity } of scan.groups) add(pids, identity);
    for (const pid of scan.unexamined) add([pid], undefined);

    // Groups come in the order of their first process: within a jail, by number again.
    list.processes.sort((a, b) =>
      a.root.name < b.root.name ? -1 : a.root.name > b.root.name ? 1 : a.pid - b.pid,
    );
    return list;
  } finally {
    close(proc);
  }
}
