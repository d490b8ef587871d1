import { EPERM } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { close } from "../../ffi/files.ts";
import { type Handled, SCOPE_ABSTRACT_SOCKET } from "../../ffi/landlock.ts";
import { restrictSelf } from "../../ffi/landlock-names.ts";
import { addressOf, errno, libc, syscall } from "../../ffi/libc.ts";

const arm = process.arch === "arm64";
const SYS_bind = arm ? 200 : 49;
const SYS_getsockname = arm ? 204 : 51;

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0x80000;
// sizeof(struct sockaddr_un)
const ADDRESS = 110;

/** A socket with an abstract address of its own, which it may no longer reach under rules on scopes. */
interface OwnSocket {
  fd: number;
  address: Uint8Array;
  length: number;
}

function openSocket(): OwnSocket | undefined {
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return undefined;
  const address = new Uint8Array(ADDRESS);
  address[0] = AF_UNIX;
  const length = new Uint32Array(1);
  length[0] = ADDRESS;
  // The family alone: the kernel chooses a free address.
  // SAFETY: the lengths are those of the arrays, or less.
  const isBound = syscall(SYS_bind, fd, addressOf(address), 2) === 0;
  if (isBound && syscall(SYS_getsockname, fd, addressOf(address), addressOf(length)) === 0)
    return { fd, address, length: length[0] ?? 0 };
  close(fd);
  return undefined;
}

/**
 * Applies a ruleset to this process, and proves that it is in force; throws SystemError if it is not. In a working directory
 * where the user can write, the guard tries to make a device, which the rules refuse; elsewhere, that fails in any case, and
 * rules on scopes refuse a socket that was opened before. Without both, the kernel is believed.
 */
export function restrictProved(ruleset: number, { scopes }: Handled): void {
  if (restrictSelf(ruleset, true)) return;
  const socket = (scopes & SCOPE_ABSTRACT_SOCKET) === 0 ? undefined : openSocket();
  restrictSelf(ruleset, false);
  if (socket === undefined) return;
  // SAFETY: the length is what the kernel said of the array.
  const isRefused = libc.connect(socket.fd, socket.address, socket.length) < 0 && errno() === EPERM;
  close(socket.fd);
  if (!isRefused) throw new SystemError(EPERM, "landlock_restrict_self", undefined);
}
