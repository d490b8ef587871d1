import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { close } from "../../ffi/files.ts";
import { plainPath } from "../../ffi/paths.ts";
import { describeProcess, isKernelThread, type JailedProcess } from "./process.ts";
import { type Root, RootReader } from "./roots.ts";
import { identify, openProc, ownRoot, type RootIdentity, sameDirectory, scanRoots } from "./scan.ts";

interface ListRequest {
  /** Only processes in these jails; all jails if it is empty. */
  jails: readonly ByteString[];
  /** Include processes of containers. */
  containers: boolean;
  /** Find the parents, which needs one more file for each jailed process. */
  parents: boolean;
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

/** Collects the jailed processes of an open /proc. */
class Lister {
  readonly list: ProcessList = { processes: [], containers: 0, ended: 0, unreadable: 0 };
  private readonly isWanted: (root: Root) => boolean;

  constructor(
    private readonly proc: number,
    private readonly roots: RootReader,
    private readonly request: ListRequest,
  ) {
    this.isWanted = jailFilter(request.jails);
  }

  /** Adds processes with the same root. */
  add(pids: readonly number[], identity: RootIdentity | undefined): void {
    const { list, proc } = this;
    let root: Root | undefined;
    for (const pid of pids) {
      // Any of them shows the root, unless it ends just then or is a kernel thread.
      if (root === undefined && isKernelThread(proc, pid)) continue;
      root ??= this.roots.read(pid, identity);
      if (root === undefined) {
        if (identity === undefined) list.unreadable++;
        else list.ended++;
        continue;
      }
      if (this.isLeftOut(root)) {
        if (root.kind === "container") list.containers += pids.length;
        return;
      }
      if (!this.isWanted(root)) return;
      const found = describeProcess(proc, pid, root, this.request.parents);
      if (found === undefined) list.ended++;
      else list.processes.push(found);
    }
  }

  /** Whether a root is the host's, or that of a container that was not requested. */
  private isLeftOut(root: Root): boolean {
    const { containers, jails } = this.request;
    if (root.kind === "container") return !containers && !(jails.length > 0 && this.isWanted(root));
    return root.kind === "host";
  }
}

/**
 * Lists the processes whose root directory is not that of this process. Processes that end in the meantime, or that
 * this one may not examine, are counted. Throws JailkitError if /proc is not mounted.
 */
export function listProcesses(request: ListRequest): ProcessList {
  const proc = openProc();
  try {
    const own = ownRoot();
    const scan = scanRoots(proc, own);
    const lister = new Lister(proc, new RootReader(proc, own), request);
    for (const { pids, identity } of scan.groups) lister.add(pids, identity);
    for (const pid of scan.unexamined) lister.add([pid], undefined);
    const { list } = lister;
    list.ended += scan.ended;
    list.unreadable += scan.unreadable;
    list.processes.sort((a, b) =>
      a.root.name < b.root.name ? -1 : a.root.name > b.root.name ? 1 : a.pid - b.pid,
    );
    return list;
  } finally {
    close(proc);
  }
}
