import type { ByteString } from "./bytes.ts";
import { AT_FDCWD, O_CLOEXEC } from "./constants.ts";
import { addressOf, cArgument, check, libc } from "./libc.ts";

// unshare(2), mount(2), open_tree(2), move_mount(2); the numbers are the same on x86-64 and aarch64
const CLONE_NEWNS = 0x20000;
const MS_REC = 0x4000;
const MS_SLAVE = 1 << 19;
const SYS_open_tree = 428;
const SYS_move_mount = 429;
const OPEN_TREE_CLONE = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 0x04;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;

/**
 * Gives this thread a mount namespace of its own: what is mounted here from now on nobody else sees; what others mount
 * is seen here. Descriptors that were opened before belong to the old one. Throws SystemError.
 */
export function enterPrivateMounts(): void {
  check(libc.unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
  const nothing = cArgument("none");
  check(libc.mount(nothing, cArgument("/"), null, MS_REC | MS_SLAVE, null), "mount(MS_SLAVE)", "/");
}

/** A detached mount of what is at `path`, as a descriptor: open_tree(2). */
export function cloneMount(path: ByteString): number {
  const name = addressOf(cArgument(path));
  const fd = libc.syscall(SYS_open_tree, AT_FDCWD, name, OPEN_TREE_CLONE | O_CLOEXEC, 0, 0, 0);
  return check(fd, "open_tree", path);
}

/** Mounts a detached mount on what the descriptor `target` is: move_mount(2). `path` is for the message only. */
export function attachMount(mount: number, target: number, path: ByteString): void {
  const empty = addressOf(cArgument(""));
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  check(libc.syscall(SYS_move_mount, mount, empty, target, empty, flags, 0), "move_mount", path);
}
