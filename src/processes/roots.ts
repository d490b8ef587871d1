import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_RDONLY } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { close, openAt, readAllFd, readLink } from "../../ffi/files.ts";
import { type Mount, nameOfMount, parseMounts } from "./mounts.ts";
import { identify, type RootIdentity, sameDirectory } from "./scan.ts";

/**
 * What the root directory of a process makes of it. "host": not jailed. "jail": the root is another directory of this
 * machine's files. "container": the root belongs to a mount namespace of its own, and is nothing but a piece of it.
 */
export type RootKind = "host" | "jail" | "container";

/** A root directory, judged. */
export interface Root {
  kind: RootKind;
  /** The jail's path on this machine; of a container, `mnt:[NUMBER]` and the path in its mount namespace. */
  name: ByteString;
  /** The text of /proc/PID/root, which paths such as that of the program begin with. */
  text: ByteString;
  /** The directory was removed; `name` is what it was called. */
  removed: boolean;
  /** As readlink(1) of /proc/PID/ns/mnt shows it; undefined in this process's own mount namespace. */
  mountNamespace: ByteString | undefined;
  identity: RootIdentity | undefined;
}

/** What is known of a root directory that is not the one of the process that asks. */
export interface RootFacts {
  /** The text of /proc/PID/root. */
  text: ByteString;
  removed: boolean;
  /** It is the directory that this process or process 1 has for its root, by way of another mount. */
  isHostRoot: boolean;
  /** The other mount namespace; undefined where it is this process's own. */
  mountNamespace: ByteString | undefined;
  /** The process is in another PID namespace than this one. */
  otherPidNamespace: boolean;
  /** `text` means the very same directory here. */
  textIsHere: () => boolean;
  /** Where the mount that it belongs to is also found here, the path that leads to it. */
  nameByMount: () => ByteString | undefined;
}

const DELETED = " (deleted)";

/** What the kernel shows for a name, without the note that it was removed. */
export function withoutDeleted(text: ByteString): ByteString {
  return text.endsWith(DELETED) ? text.slice(0, -DELETED.length) : text;
}

/** Judges a root directory; see RootKind. */
export function judgeRoot(facts: RootFacts): { kind: RootKind; name: ByteString } {
  const name = facts.removed ? withoutDeleted(facts.text) : facts.text;
  if (facts.mountNamespace === undefined) {
    // "/" is what lies under the mounts at the root, where the kernel's own threads may be: nobody put them there.
    return { kind: facts.text === "/" ? "host" : "jail", name };
  }
  // The usual private mounts of a service, such as a /tmp of its own.
  if (facts.isHostRoot) return { kind: "host", name };
  if (facts.text !== "/" && facts.textIsHere()) return { kind: "jail", name };
  // The text means something in that namespace alone. A directory of this machine may have been made its root, as
  // with pivot_root(2); but where the processes cannot be seen from inside either, that is what containers do.
  const here = facts.text === "/" && !facts.otherPidNamespace ? facts.nameByMount() : undefined;
  if (here !== undefined) return { kind: "jail", name: here };
  return { kind: "container", name: `${facts.mountNamespace}${name}` };
}

/** Reads a file of /proc as far as `limit` bytes; undefined where it cannot be read. */
export function readProcFile(proc: number, path: ByteString, limit: number): ByteString | undefined {
  let fd: number;
  try {
    fd = openAt(proc, path, O_RDONLY);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
  try {
    return fromBytes(readAllFd(fd, limit));
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  } finally {
    close(fd);
  }
}

/** The text of a link of /proc; undefined where it cannot be read. */
export function readProcLink(proc: number, path: ByteString): ByteString | undefined {
  try {
    return readLink(proc, path);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

const MOUNTS_LIMIT = 1 << 24;

/** Looks at root directories and judges them. */
export interface RootJudge {
  /** The root of process `pid`, which has this identity; undefined where it ended meanwhile. */
  judge(pid: number, identity: RootIdentity | undefined): Root | undefined;
}

/** A judge for the processes of an open /proc; `own` is the root of this process. */
export function rootJudge(proc: number, own: RootIdentity): RootJudge {
  const hostRoots = [own];
  const first = identify(proc, "1/root");
  if (first !== undefined) hostRoots.push(first);
  const ownMountNamespace = readProcLink(proc, "self/ns/mnt");
  const ownPidNamespace = readProcLink(proc, "self/ns/pid");
  let ownMounts: Mount[] | undefined;
  const mountsHere = () => {
    ownMounts ??= parseMounts(readProcFile(proc, "self/mountinfo", MOUNTS_LIMIT) ?? "");
    return ownMounts;
  };

  return {
    judge(pid, identity) {
      const text = readProcLink(proc, `${pid}/root`);
      if (text === undefined) return undefined;
      const namespace = readProcLink(proc, `${pid}/ns/mnt`);
      const mountNamespace = namespace === ownMountNamespace ? undefined : namespace;
      const isHere = (path: ByteString) => {
        const here = identify(AT_FDCWD, path);
        return here !== undefined && identity !== undefined && sameDirectory(here, identity);
      };
      // A directory may really be called so; btrfs counts no links of directories, so the number does not tell alone.
      const removed = text.endsWith(DELETED) && (identity?.removed === true || !isHere(text));
      const facts: RootFacts = {
        text,
        removed,
        isHostRoot: identity !== undefined && hostRoots.some((root) => sameDirectory(root, identity)),
        mountNamespace,
        otherPidNamespace: readProcLink(proc, `${pid}/ns/pid`) !== ownPidNamespace,
        textIsHere: () => isHere(text),
        nameByMount() {
          if (identity === undefined) return undefined;
          const mounts = parseMounts(readProcFile(proc, `${pid}/mountinfo`, MOUNTS_LIMIT) ?? "");
          const its = mounts.find(({ id }) => id === identity.mountId);
          return its && nameOfMount(its, mountsHere()).find(isHere);
        },
      };
      return { ...judgeRoot(facts), text, removed, mountNamespace, identity };
    },
  };
}
