import type { ByteString } from "../../ffi/bytes.ts";

/** Something that a program needs to start and that is missing in its root directory. */
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

/** Finds what is missing for a program below a root directory. */
export type FindMissing = (root: ByteString, program: ByteString) => Missing[];
