import type { ByteString } from "../../ffi/bytes.ts";
import type { Machine } from "./machine.ts";

const TRACE = "/root/trace";

/**
 * Runs a command under strace(1), which writes down these system calls, with the paths of descriptors if `paths`. Returns how it
 * ended, and whether lines of the trace match these patterns in their order, others between them.
 */
export function withCalls(m: Machine, calls: string, command: readonly ByteString[], paths = false) {
  const options = ["-f", "-qq", ...(paths ? ["-y"] : []), "-o", TRACE, "-e", `trace=${calls}`];
  const { status } = m.run(["strace", ...options, ...command]);
  const text = m.read(TRACE);
  return {
    status,
    inOrder: (...patterns: readonly string[]) => new RegExp(patterns.join(".*\n(?:.*\n)*?.*")).test(text),
  };
}
