import { check, syscall } from "./libc.ts";

const arm = process.arch === "arm64";
// shmctl(2), semctl(2), msgctl(2)
const CONTROL = { shm: arm ? 195 : 31, sem: arm ? 191 : 66, msg: arm ? 187 : 71 } as const;
const IPC_RMID = 0;

/** Shared memory segments, semaphore sets, and message queues of System V: sysvipc(7). */
export type IpcKind = keyof typeof CONTROL;

/**
 * Removes an object of System V IPC. A segment that processes have attached is only marked: it goes with the last of them. Throws
 * SystemError, with EINVAL or EIDRM if it is gone.
 */
export function removeIpc(kind: IpcKind, id: number): void {
  // The command is the third argument of semctl, whose second one is no matter, and the second one of the others.
  check(syscall(CONTROL[kind], id, IPC_RMID, IPC_RMID), `${kind}ctl(IPC_RMID)`);
}
