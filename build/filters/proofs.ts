import { constants } from "node:os";
import type { SessionFilter } from "../../ffi/seccomp.ts";
import type { Architecture } from "../guard.ts";

/**
 * A call that a filter refuses with an error that neither the kernel itself nor another filter gives. None has an effect.
 */
export interface Proof {
  readonly call: number;
  readonly arguments: readonly [number, number, number];
  readonly errno: number;
}

/** How the filters of a session show that they are in force: the guard makes these calls. */
export function proofsFor(architecture: Architecture): Readonly<Record<SessionFilter, Proof>> {
  const arm = architecture === "arm64";
  const { EACCES, EAFNOSUPPORT, ENOPROTOOPT, EPERM } = constants.errno;
  const socket = arm ? 198 : 41;
  return {
    // PTRACE_ATTACH of no process: ESRCH.
    login: { call: arm ? 117 : 101, arguments: [16, 0, 0], errno: EPERM },
    // AF_INET and SOCK_DGRAM, which has no such protocol: EINVAL.
    "network-local": { call: socket, arguments: [2, 2, 0xffff], errno: EAFNOSUPPORT },
    // AF_UNIX, which has no such type: EINVAL.
    "network-none": { call: socket, arguments: [1, 15, 0], errno: EAFNOSUPPORT },
    // TCP_FASTOPEN_CONNECT of no descriptor: EBADF.
    tcp: { call: arm ? 208 : 54, arguments: [0xffffffff, 6, 30], errno: ENOPROTOOPT },
    // No descriptor: EBADF.
    "tcp-listen": { call: arm ? 201 : 50, arguments: [0xffffffff, 0, 0], errno: EACCES },
    // Flags that no kernel has: EINVAL, before vm.memfd_noexec of sysctl(8) makes it EACCES.
    execute: { call: arm ? 279 : 319, arguments: [0, 0xffff80, 0], errno: EACCES },
  };
}
