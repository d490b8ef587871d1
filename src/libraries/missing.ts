import type { ByteString } from "../../ffi/bytes.ts";

/** Something that a program needs to start and its root directory does not have. */
export interface Missing {
  /** A printable line. */
  message: string;
  /** What to copy into a jail for it. */
  copy: readonly ByteString[];
  /** What the program ends with. */
  exitStatus: number;
  /** The kernel looks for it: execve(2) fails, and the program does not begin. */
  atExec?: boolean;
}

/** What a program below a root directory needs and does not find there. */
export type FindMissing = (root: ByteString, program: ByteString) => Missing[];
