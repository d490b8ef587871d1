import type { ByteString } from "../../ffi/bytes.ts";
import type { MachineFiles } from "./files.ts";
import type { MachineProcess } from "./process.ts";
import type { Ids, RunOptions, RunResult } from "./request.ts";

/** Options of useradd(8); a home directory is created only with `createHome`. */
export interface UserOptions {
  uid?: number;
  /** The primary group: a name or number that exists; without it, a group of the user's name is created. */
  gid?: number | string;
  groups?: readonly string[];
  home?: ByteString;
  createHome?: boolean;
  shell?: ByteString;
}

/** What a disposable machine is before anything is started in it: its files, processes and accounts. */
export interface BareMachine extends MachineFiles {
  /** The process, as seen from outside, that keeps the machine. */
  readonly pid: number;
  /**
   * Runs a program to its end, without a shell. argv[0] is a path or a name that is looked up in the usual PATH.
   * Throws where it cannot be started, or takes longer than `timeout`.
   */
  run(argv: readonly ByteString[], options?: RunOptions): RunResult;
  /** As run, but throws, with what it said, where the exit status is not 0. For what a test takes for granted. */
  must(argv: readonly ByteString[], options?: RunOptions): RunResult;
  /** As must; from the fork to the end of the program on the kernel's monotonic clock, in nanoseconds. */
  time(argv: readonly ByteString[], options?: RunOptions): { start: number; end: number; stdout: ByteString };
  /** Starts a program without waiting for it. */
  start(argv: readonly ByteString[], options?: RunOptions): MachineProcess;
  /** Adds an account through useradd(8), unlocked (a password that matches nothing). Returns its ids. */
  addUser(name: string, options?: UserOptions): Ids;
  /** The ids of an account and its groups, from the machine's flat files. */
  ids(name: string): Required<Ids>;
}
