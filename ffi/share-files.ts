import { syscall } from "./libc.ts";

const SYS_kcmp = process.arch === "arm64" ? 272 : 312;
const KCMP_FILES = 2;

/** Whether two threads have one table of descriptors, by kcmp(2); false also where the kernel does not tell. */
export const shareFiles = (one: number, other: number): boolean =>
  syscall(SYS_kcmp, one, other, KCMP_FILES) === 0;
