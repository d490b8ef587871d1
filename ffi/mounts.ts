import type { ByteString } from "./bytes.ts";
import { AT_EMPTY_PATH, AT_FDCWD, O_CLOEXEC } from "./constants.ts";
import { withFd } from "./files.ts";
import { addressOf, cArgument, check, libc, syscall } from "./libc.ts";

// unshare(2), mount(2), open_tree(2), move_mount(2); the numbers are the same on x86-64 and aarch64
const CLONE_NEWNS = 0x20000;
const MS_REC = 0x4000;
const MS_SLAVE = 1 << 19;
const SYS_open_tree = 428;
const SYS_move_mount = 429;
const SYS_fsopen = 430;
const SYS_fsconfig = 431;
const SYS_fsmount = 432;
const SYS_mount_setattr = 442;
const FSOPEN_CLOEXEC = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSMOUNT_CLOEXEC = 1;
const OPEN_TREE_CLONE = 1;
const MNT_DETACH = 2;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const MS_PRIVATE = 1 << 18;
const MOUNT_ATTR_RDONLY = 1;
const MOUNT_ATTR_NOSUID = 2;
const MOUNT_ATTR_NODEV = 4;
const MOUNT_ATTR_NOEXEC = 8;
const MOVE_MOUNT_F_EMPTY_PATH = 0x04;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;

/**
 * Gives this thread its own mount namespace. Nobody else sees later mounts here, but mounts of others appear here.
 * Descriptors that were opened before belong to the old namespace. Throws SystemError.
 */
export function enterPrivateMounts(): void {
  check(libc.unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
  check(libc.mount(cArgument("none"), cArgument("/"), null, MS_REC | MS_SLAVE, null), "mount(MS_SLAVE)", "/");
}

/** A detached mount of a path, as a descriptor: open_tree(2). */
export function cloneMount(path: ByteString): number {
  const flags = OPEN_TREE_CLONE | O_CLOEXEC;
  const fd = syscall(SYS_open_tree, AT_FDCWD, addressOf(cArgument(path)), flags);
  return check(fd, "open_tree", path);
}

/** A detached mount of the directory of `fd` (O_PATH is enough), without the mounts in it. `path` is for the message. */
export function cloneMountOf(fd: number, path: ByteString): number {
  // SAFETY: addressOf and cArgument hold the empty string.
  const empty = addressOf(cArgument(""));
  const flags = OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH;
  return check(syscall(SYS_open_tree, fd, empty, flags), "open_tree", path);
}

/** A detached mount of a file system of the kernel, as a descriptor (O_PATH): fsopen(2), Linux 5.2. Throws SystemError. */
export function newMount(type: ByteString): number {
  // SAFETY: addressOf and cArgument hold the name.
  const name = addressOf(cArgument(type));
  return withFd(check(syscall(SYS_fsopen, name, FSOPEN_CLOEXEC), "fsopen", type), (context) => {
    check(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE), "fsconfig", type);
    const limits = MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID;
    return check(syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, limits), "fsmount", type);
  });
}

/**
 * Makes the mount of the descriptor `mount` read-only, nosuid, nodev and private, and perhaps noexec: mount_setattr(2),
 * Linux 5.12. `path` is for the message only.
 */
export function limitMount(mount: number, path: ByteString, noexec: boolean): void {
  // struct mount_attr: to set, to clear, propagation, descriptor of a user namespace.
  const attributes = new BigUint64Array(4);
  const limits = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  attributes[0] = BigInt(noexec ? limits | MOUNT_ATTR_NOEXEC : limits);
  attributes[2] = BigInt(MS_PRIVATE);
  // SAFETY: addressOf holds both, and the size is that of the structure.
  const empty = addressOf(cArgument(""));
  const [address, size] = [addressOf(attributes), attributes.byteLength];
  const result = syscall(SYS_mount_setattr, mount, empty, AT_EMPTY_PATH, address, size);
  check(result, "mount_setattr", path);
}

/** Mounts a detached mount on the descriptor `target`: move_mount(2). `path` is for the message only. */
export function attachMount(mount: number, target: number, path: ByteString): void {
  // SAFETY: addressOf and cArgument hold the empty string.
  const empty = addressOf(cArgument(""));
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  check(syscall(SYS_move_mount, mount, empty, target, empty, flags), "move_mount", path);
}

/** Runs `work` while an empty tmpfs(5) hides a directory; call enterPrivateMounts first. Throws SystemError. */
export function withMemoryOn<T>(path: ByteString, work: () => T): T {
  const [type, target, options] = [cArgument("tmpfs"), cArgument(path), cArgument("mode=0755")];
  // SAFETY: cArgument holds the strings.
  check(libc.mount(type, target, type, MS_NOSUID | MS_NODEV | MS_NOEXEC, options), "mount(tmpfs)", path);
  try {
    return work();
  } finally {
    check(libc.umount2(cArgument(path), MNT_DETACH), "umount2", path);
  }
}
