import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { close, fstat, openAt, readDirectory, sameFile, statAt, withFd } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import * as process from "../../../ffi/process.ts";
import { AF_UNIX, SOCK_DGRAM } from "../../../ffi/sockets.ts";
import { JailkitError } from "../../cli/error.ts";
import { allowCalls } from "./filter.ts";

function must(holds: boolean, what: string): void {
  if (!holds) throw new JailkitError("not-confined", 1, `the relay cannot give up its privileges: ${what}`);
}

/** Closes directories, which would be a way out of the root directory. */
function closeDirectories(except: readonly number[]): void {
  withFd(openAt(C.AT_FDCWD, "/proc/self/fd", C.O_RDONLY | C.O_DIRECTORY), (list) => {
    for (const { name } of readDirectory(list)) {
      const fd = Number(name);
      if (fd === list || except.includes(fd)) continue;
      if ((fstat(fd).mode & C.S_IFMT) === C.S_IFDIR) close(fd);
    }
  });
}

/**
 * Gives up all privileges of this process for good, and checks that: root directory, ids, groups, capabilities (the
 * bounding set too), no_new_privs, not dumpable, one thread, no open directory. At last only the system calls that the
 * relay needs are left. Closes `root`. Throws JailkitError "not-confined", SystemError.
 */
export function confine(root: number, uid: number, gid: number): void {
  must(uid !== 0 && gid !== 0, "uid and gid must not be 0");
  // What follows acts on one thread, or is checked for one.
  const tasks = openAt(C.AT_FDCWD, "/proc/self/task", C.O_PATH);
  must(process.singleThreaded(tasks), "there is more than one thread");
  closeDirectories([root, tasks]);
  process.setDumpable(false);
  process.setNoNewPrivileges();
  const empty = fstat(root);
  process.chrootToFd(root);
  close(root);
  process.limitBoundingSet(0n);
  process.setSupplementaryGroups([]);
  process.becomeGroup(gid);
  process.becomeUser(uid);
  process.dropAllCapabilities();
  // A change of ids resets this, to a value that depends on the host's settings.
  process.setDumpable(false);

  must(sameFile(statAt(C.AT_FDCWD, "/"), empty) && sameFile(statAt(C.AT_FDCWD, "."), empty), "the root");
  must(process.isOnlyUser(uid) && process.isOnlyGroup(gid), "the ids");
  must(process.supplementaryGroups().length === 0, "the additional groups");
  const { effective, permitted, inheritable } = process.capabilities();
  must((effective | permitted | inheritable) === 0n, "the capabilities");
  must(process.hasNoNewPrivileges() && !process.isDumpable(), "no_new_privs, dumpable");
  must(process.singleThreaded(tasks), "there is more than one thread");
  close(tasks);
  must(!canChroot(), "chroot(2) still works");
  if (allowCalls(libc.getpid())) must(!canMakeSockets(), "the filter of system calls");
}

function canChroot(): boolean {
  try {
    process.chroot("/");
    return true;
  } catch (error) {
    if (isErrno(error, "EPERM")) return false;
    throw error;
  }
}

function canMakeSockets(): boolean {
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM, 0);
  if (fd < 0) return false;
  close(fd);
  return true;
}
