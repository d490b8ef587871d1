import type { ByteString } from "../../../ffi/bytes.ts";
import { O_NOFOLLOW, O_PATH, S_IFMT, S_IFSOCK } from "../../../ffi/constants.ts";
import { close, fstat, openAt, sameFile } from "../../../ffi/files.ts";
import { attachMount, cloneMount, enterPrivateMounts } from "../../../ffi/mounts.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import type { Confinement } from "../../confine/policy.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { nearestDirectory } from "../../jail/fs/nearest.ts";
import {
  type Directory,
  hostPath,
  isDirectory,
  isLink,
  type JailRoot,
  joinPath,
  openDirectory,
  openJailRoot,
  release,
} from "../../jail/fs/walk.ts";
import { makeDirectories, putFile } from "../../jail/fs/write.ts";

const cannot = (message: string) => new JailkitError("notify", 1, `--notify: ${message}`);

/** How a message to NOTIFY_SOCKET of sd_notify(3) arrives from inside a jail. */
type NotifyWay =
  /** No service manager waits for one. */
  | "none"
  /** Without help: the socket is not in the file system. */
  | "passes"
  /** The socket is a file, and must be in the jail too. */
  | "bind";

/** Decides by the value of NOTIFY_SOCKET. Throws JailkitError (1) if it is not an address. */
export function notifyWay(socket: ByteString | undefined): NotifyWay {
  if (socket === undefined || socket === "") return "none";
  if (socket.startsWith("@") || /^vsock(-[a-z]+)?:/.test(socket)) return "passes";
  const plain =
    socket.startsWith("/") &&
    socket.split("/").every((part, i) => i === 0 || !["", ".", ".."].includes(part));
  if (!plain) throw cannot(`NOTIFY_SOCKET is ${display(socket)}, which is not a plain path`);
  return "bind";
}

/**
 * The setting of a confinement that keeps a program from this NOTIFY_SOCKET, as `KEY=VALUE`; undefined if none does. A
 * socket in the file system is reached whatever may be written: Landlock does not cover it.
 */
export function notifyObstacle(
  socket: ByteString,
  { network, syscalls, scope }: Pick<Confinement, "network" | "syscalls" | "scope">,
): string | undefined {
  const isVsock = socket.startsWith("vsock");
  if (network === "none" || (network === "local" && isVsock)) return `network=${network}`;
  if (isVsock && syscalls === "login") return "syscalls=login";
  return scope && socket.startsWith("@") ? "scope=1" : undefined;
}

/** Creates an empty file to mount the socket on, in a directory that only root can change. */
function openMountPoint(root: JailRoot, path: ByteString): number {
  const slash = path.lastIndexOf("/");
  const [above, name] = [path.slice(0, slash), path.slice(slash + 1)];
  const requireTrusted = ({ trusted }: Directory, shown: ByteString) => {
    if (!trusted) throw cannot(`${display(shown)} is in a directory that users other than root can write`);
  };
  const nearest = nearestDirectory(root, above);
  release(nearest);
  requireTrusted(nearest, hostPath(root, path));
  makeDirectories(root, above, () => ({ mode: 0o755, uid: 0, gid: 0 }));
  const directory = openDirectory(root, above);
  const shown = hostPath(root, joinPath(directory.path, name));
  requireTrusted(directory, shown);
  if (lookUp(root, path) === undefined) {
    putFile(root, path, new Uint8Array(0), { mode: 0o600, uid: 0, gid: 0 });
  }
  const fd = openAt(directory.fd, name, O_PATH | O_NOFOLLOW);
  const stat = fstat(fd);
  if (isDirectory(stat) || isLink(stat)) throw cannot(`${display(shown)} is in the way of the socket`);
  return fd;
}

/**
 * Mounts the socket at `path` of the host on the same path of the jail, visible only to this process and the programs that
 * it executes. Returns the jail opened again: older descriptors do not see the mount. Throws JailkitError, SystemError.
 */
export function bindNotifySocket(jail: JailRoot, path: ByteString): JailRoot {
  enterPrivateMounts();
  const root = openJailRoot(jail.path);
  if (!sameFile(root.top.stat, jail.top.stat)) throw cannot(`${display(jail.path)} was exchanged`);
  const socket = cloneMount(path);
  if ((fstat(socket).mode & S_IFMT) !== S_IFSOCK) throw cannot(`${display(path)} is not a socket`);
  const target = openMountPoint(root, path);
  attachMount(socket, target, `${root.path}${path}`);
  close(socket);
  close(target);
  return root;
}
