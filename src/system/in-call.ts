import type { ByteString } from "../../ffi/bytes.ts";
import { attempt } from "../../ffi/error.ts";
import { onProcessor } from "../../ffi/processor.ts";
import { readOf } from "./processes.ts";

// In these the kernel may have a file that the process has closed, and somebody can keep them from ending; also those of programs
// for 32 bits, and for x32.
interface Calls {
  /** execve, execveat, sendmsg, sendmmsg, and socketcall. */
  readonly always: readonly number[];
  /** fork, vfork, clone, clone3, recvmsg, recvmmsg, accept, accept4: where many wait for others, which do not count. */
  readonly stuck: readonly number[];
}
const X32 = 0x4000_0000;
const CALLS: Partial<Record<string, Calls>> = {
  x64: {
    always: [59, 322, 46, 307, 11, 358, 370, 345, 102, ...[520, 545, 518, 538].map((call) => X32 + call)],
    stuck: [
      ...[57, 58, 56, 435, 47, 299, 43, 288, 2, 190, 120, 372, 337, 417, 364],
      ...[57, 58, 56, 435, 519, 537, 43, 288].map((call) => X32 + call),
    ],
  },
  arm64: {
    always: [221, 281, 211, 269, 11, 387, 296, 374],
    stuck: [220, 435, 212, 243, 202, 242, 2, 190, 120, 297, 365, 417, 285, 366],
  },
};
const ALWAYS = new Set(CALLS[process.arch]?.always);
const STUCK = new Set(CALLS[process.arch]?.stuck);

/** The same for a thread in an open /proc, by its path there. */
export function isInCall(proc: number, thread: ByteString): boolean | undefined {
  const look = () =>
    mayHoldFile(
      readOf(proc, thread, "syscall"),
      () => readOf(proc, thread, "status"),
      () => attempt(() => readOf(proc, thread, "stack")) ?? "",
    );
  // While it has a processor, its stack is not there.
  return look() ?? onProcessor(Number(fieldsOf(proc, thread)[PROCESSOR]), look);
}

// By which the kernel enters these calls: below, write(2) of a socket has much of sendmsg(2).
const ENTRIES = /_sys_(?:exec|sendm?msg|recvm?msg|accept|clone|v?fork|socketcall)|do_exec|kernel_clone/;

/** Whether a thread is in one of these calls, by the texts of proc(5): its system call, its status, and its stack in the kernel. */
export function mayHoldFile(
  call: ByteString,
  status: () => ByteString,
  stack: () => ByteString,
): boolean | undefined {
  // It runs, or waits for a processor, for as long as its user likes.
  if (call.startsWith("running")) {
    const functions = stack();
    return functions === "" ? undefined : ENTRIES.test(functions);
  }
  // The number, and arguments.
  const number = Number(call.split(" ", 1)[0] || "-1");
  // It waits for its memory, and not for what others do.
  return ALWAYS.has(number) || (STUCK.has(number) && /^State:\tD/m.test(status()));
}

// Of proc_pid_stat(5), counted from the end of the name of the program: fields 14 and 39.
const [UTIME, PROCESSOR] = [12, 37];

/** The name is in parentheses, and may have blanks. */
const fieldsOf = (proc: number, thread: ByteString) =>
  readOf(proc, thread, "stat").replace(/^.*\)/s, "").split(" ");

/** The time that a thread was outside of the kernel, in hundredths of a second. */
export const timeOutside = (proc: number, thread: ByteString): number =>
  Number(fieldsOf(proc, thread)[UTIME] ?? 0);
