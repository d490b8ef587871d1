import type { ByteString } from "../../ffi/bytes.ts";

/** A dependency of a program that is missing in its root directory. */
export interface Missing {
  /** A printable line. */
  message: string;
  /** The paths to copy into the jail. */
  copy: readonly ByteString[];
  /** The exit status of the program. */
  exitStatus: number;
  /** The kernel needs it: execve(2) fails. */
  atExec?: boolean;
}

export type FindMissing = (root: ByteString, program: ByteString) => Missing[];
