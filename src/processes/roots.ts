import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_PATH } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { openAt, readFileIfPresent, readLink, withFd } from "../../ffi/files.ts";
import { below, type Mount, parseMounts } from "../system/mountinfo.ts";
import { examineThreads } from "../system/processes.ts";
import { identify, type ProcessPath, type RootIdentity, sameDirectory } from "./scan.ts";

/** The root directory of a process. */
export interface Root {
  /**
   * "host": the process is not jailed. "jail": its root is another directory of the host. "container": its root exists in
   * another mount namespace only.
   */
  kind: "host" | "jail" | "container";
  /** The jail's path on the host; for a container, `mnt:[NUMBER]` and the path in its mount namespace. */
  name: ByteString;
  /** The text of /proc/PID/root, with which other paths of the process begin. */
  text: ByteString;
  /** The directory was removed; `name` is its former name. */
  removed: boolean;
  /** The text of /proc/PID/ns/mnt; undefined in this process's mount namespace. */
  mountNamespace: ByteString | undefined;
  identity: RootIdentity | undefined;
}

/** Facts about a root directory other than that of this process. */
export interface RootFacts extends Pick<Root, "text" | "removed" | "mountNamespace"> {
  /** It is also the root of this process or of process 1, on another mount. */
  isHostRoot: boolean;
  /** The process is in another PID namespace. */
  otherPidNamespace: boolean;
  /** `text` is the same directory here. */
  textIsHere: () => boolean;
  /** Its path here, if its mount also exists here. */
  nameByMount: () => ByteString | undefined;
}

const DELETED = " (deleted)";

/** A name as the kernel shows it, without the suffix for a removed file. */
export function withoutDeleted(text: ByteString): ByteString {
  return text.endsWith(DELETED) ? text.slice(0, -DELETED.length) : text;
}

/** The kind and the name of a root directory. Pure. */
export function classifyRoot(facts: RootFacts): Pick<Root, "kind" | "name"> {
  const name = facts.removed ? withoutDeleted(facts.text) : facts.text;
  if (facts.mountNamespace === undefined) {
    // "/" is below the mounts at the root, where kernel threads may be: that is no jail.
    return { kind: facts.text === "/" ? "host" : "jail", name };
  }
  // The private mounts of a service, such as its own /tmp.
  if (facts.isHostRoot) return { kind: "host", name };
  if (facts.text !== "/" && facts.textIsHere()) return { kind: "jail", name };
  // The text has a meaning in that namespace only. A directory of the host may be its root, after pivot_root(2); but
  // with a PID namespace of its own it is a container.
  const here = facts.text === "/" && !facts.otherPidNamespace ? facts.nameByMount() : undefined;
  if (here !== undefined) return { kind: "jail", name: here };
  return { kind: "container", name: `${facts.mountNamespace}${name}` };
}

/** Reads a file of /proc, up to `limit` bytes; undefined if it cannot be read. */
export function readProcFile(proc: number, path: ByteString, limit: number): ByteString | undefined {
  const bytes = attempt(() => readFileIfPresent(path, limit, proc));
  return bytes && fromBytes(bytes);
}

/** The text of a symbolic link of /proc; undefined if it cannot be read. */
export function readProcLink(proc: number, path: ByteString): ByteString | undefined {
  return attempt(() => readLink(proc, path));
}

/**
 * The paths in `mounts` that may lead to the directory of `mount`, which is in another mount namespace: through mounts of
 * the same file system, at the same directory or above it. The shortest comes first; it makes no detour by bind mounts.
 */
export function nameOfMount(
  mount: Pick<Mount, "device" | "root">,
  mounts: readonly Pick<Mount, "device" | "root" | "mountPoint">[],
): ByteString[] {
  const names: ByteString[] = [];
  for (const { device, root, mountPoint } of mounts) {
    if (device !== mount.device) continue;
    const rest = below(mount.root, root);
    if (rest === undefined) continue;
    names.push(mountPoint === "/" ? rest || "/" : `${mountPoint}${rest}`);
  }
  return names.sort((a, b) => a.length - b.length);
}

const MOUNTS_LIMIT = 1 << 24;

/** Reads the root directories of the processes of an open /proc; `own` is the root of this process. */
export class RootReader {
  private readonly hostRoots: RootIdentity[];
  private readonly ownMountNamespace: ByteString | undefined;
  private readonly ownPidNamespace: ByteString | undefined;
  private ownMounts: Mount[] | undefined;

  constructor(
    private readonly proc: number,
    own: RootIdentity,
  ) {
    const first = identify(proc, "1/root");
    this.hostRoots = first === undefined ? [own] : [own, first];
    this.ownMountNamespace = readProcLink(proc, "self/ns/mnt");
    this.ownPidNamespace = readProcLink(proc, "self/ns/pid");
  }

  /** The root of a process, which has this identity; undefined if the process ended in the meantime, or has it no more. */
  read(process: ProcessPath, identity: RootIdentity | undefined): Root | undefined {
    let root = this.readAt(process, identity);
    if (root !== undefined) return root;
    const [pid = process] = process.split("/");
    examineThreads(this.proc, pid, (thread) => {
      root ??= this.readAt(thread, identity);
      return root !== undefined;
    });
    return root;
  }

  private readAt(process: ProcessPath, identity: RootIdentity | undefined): Root | undefined {
    const { proc } = this;
    const text = this.textOf(process, identity);
    if (text === undefined) return undefined;
    const namespace = readProcLink(proc, `${process}/ns/mnt`);
    const mountNamespace = namespace === this.ownMountNamespace ? undefined : namespace;
    const isHere = (path: ByteString) => {
      const here = identify(AT_FDCWD, path);
      return here !== undefined && identity !== undefined && sameDirectory(here, identity);
    };
    // A directory may really have this name; and btrfs counts no links of directories, so their number is not enough.
    const removed = text.endsWith(DELETED) && (identity?.removed === true || !isHere(text));
    const { kind, name } = classifyRoot({
      text,
      removed,
      isHostRoot: identity !== undefined && this.hostRoots.some((root) => sameDirectory(root, identity)),
      mountNamespace,
      otherPidNamespace: readProcLink(proc, `${process}/ns/pid`) !== this.ownPidNamespace,
      textIsHere: () => isHere(text),
      nameByMount: () => identity && this.namesOfMount(process, identity.mountId).find(isHere),
    });
    return { kind, name, text, removed, mountNamespace, identity };
  }

  /** The text of the root of a process, if that is still the one which was examined: others are to get its name. */
  private textOf(process: ProcessPath, identity: RootIdentity | undefined): ByteString | undefined {
    const { proc } = this;
    if (identity === undefined) return readProcLink(proc, `${process}/root`);
    return attempt(() =>
      withFd(openAt(proc, `${process}/root`, O_PATH), (fd) => {
        const held = `/proc/self/fd/${fd}`;
        const now = identify(AT_FDCWD, held);
        const isSame = now !== undefined && now.mountId === identity.mountId && sameDirectory(now, identity);
        return isSame ? readLink(AT_FDCWD, held) : undefined;
      }),
    );
  }

  /** The paths by which the own mounts may lead to a mount of a process. */
  private namesOfMount(process: ProcessPath, mountId: bigint): ByteString[] {
    const mount = this.readMounts(process).find(({ id }) => id === mountId);
    if (mount === undefined) return [];
    this.ownMounts ??= this.readMounts("self");
    return nameOfMount(mount, this.ownMounts);
  }

  private readMounts(process: string): Mount[] {
    return parseMounts(readProcFile(this.proc, `${process}/mountinfo`, MOUNTS_LIMIT) ?? "");
  }
}
