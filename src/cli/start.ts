import type { ByteString } from "../../ffi/bytes.ts";
import { args, requireGuard } from "../../ffi/guard.ts";
import { libc } from "../../ffi/libc.ts";
import { describeError, JailkitError } from "./error.ts";
import { excerptLines } from "./excerpt.ts";
import { endIfInterrupted, statusAfterSignals } from "./interrupt.ts";
import { showLastLine, tryPrintError } from "./output.ts";
import type { Tool } from "./tool.ts";

/**
 * Runs a program and exits; programs on the path of a login exit by themselves. An error becomes one line on standard
 * error, with the line of the config file that it is about below, and an exit status (1 for an unexpected system error).
 */
export async function startProgram(name: string, main: () => number | Promise<number>): Promise<never> {
  let status: number;
  try {
    requireGuard(name);
    status = await main();
  } catch (error) {
    tryPrintError(`${name}: ${describeError(error)}`);
    if (error instanceof JailkitError && error.place !== undefined) {
      for (const line of excerptLines(error.place)) tryPrintError(line);
    }
    status = error instanceof JailkitError ? error.exitStatus : 1;
  }
  showLastLine("");
  endIfInterrupted(name);
  libc._exit(statusAfterSignals(status));
  throw new Error("unreachable");
}

/** Starts a tool for administrators with the arguments of the process, or with `given` ones. */
export function startTool(tool: Tool, given?: readonly ByteString[]): Promise<never> {
  return startProgram(tool.name, () => tool.main(given ?? args().slice(1)));
}
