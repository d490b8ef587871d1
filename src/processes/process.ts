import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { ENOENT, O_CLOEXEC, O_RDONLY } from "../../ffi/constants.ts";
import { cArgument, errno, libc } from "../../ffi/libc.ts";
import { type Root, readProcFile, readProcLink, withoutDeleted } from "./roots.ts";
import { identify, ownerOf } from "./scan.ts";

/** A process with another root directory than this one. */
export interface JailedProcess {
  pid: number;
  /** The parent's number; 0 where there is none that can be seen. */
  parent: number;
  /** The effective user id. */
  uid: number;
  root: Root;
  /** The program's path on this machine, as far as it has one; undefined where it cannot be told. */
  exe: ByteString | undefined;
  exeRemoved: boolean;
  /** The arguments, the program's own name first, as far as ARGUMENTS_LIMIT bytes. */
  arguments: ByteString[];
  /** There is more of the arguments. */
  argumentsCut: boolean;
}

/** How many bytes of the arguments are read; as many as jailkit 2.23 shows. */
export const ARGUMENTS_LIMIT = 4096;

const buffer = new Uint8Array(ARGUMENTS_LIMIT + 1);

/** The first bytes of a file of /proc; undefined where it cannot be read. No exceptions: there may be thousands. */
function readStart(proc: number, path: ByteString): { text: ByteString; cut: boolean } | undefined {
  const fd = libc.openat(proc, cArgument(path), O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return undefined;
  const count = libc.read(fd, buffer, buffer.length);
  libc.close(fd);
  if (count < 0) return undefined;
  return { text: fromBytes(buffer, 0, Math.min(count, ARGUMENTS_LIMIT)), cut: count > ARGUMENTS_LIMIT };
}

/** The parent's pid from the text of proc_pid_stat(5), whose second field, in parentheses, may hold anything. */
export function parentFromStat(text: ByteString): number {
  return Number(/^ \S (\d+) /.exec(text.slice(text.lastIndexOf(")") + 1))?.[1] ?? 0);
}

/** The program as this machine would name it: its path begins with the root's text, which becomes the root's name. */
function exeOf(proc: number, pid: number, root: Root): { exe: ByteString | undefined; exeRemoved: boolean } {
  const link = readProcLink(proc, `${pid}/exe`);
  if (link === undefined) return { exe: undefined, exeRemoved: false };
  const exeRemoved = link !== withoutDeleted(link) && identify(proc, `${pid}/exe`)?.removed !== false;
  const path = exeRemoved ? withoutDeleted(link) : link;
  const text = root.removed ? withoutDeleted(root.text) : root.text;
  // In a container it is a path of the container's.
  if (root.name === text || root.kind === "container") return { exe: path, exeRemoved };
  const rest = text === "/" ? path : path.startsWith(`${text}/`) ? path.slice(text.length) : undefined;
  if (rest === undefined) return { exe: path, exeRemoved };
  return { exe: `${root.name.replace(/\/$/, "")}${rest}`, exeRemoved };
}

/**
 * Whether a process is a thread of the kernel's own, which executes no file. Some, such as the one that keeps /dev,
 * have a root and a mount namespace of their own, and are in no jail.
 */
export function isKernelThread(proc: number, pid: number): boolean {
  return libc.readlinkat(proc, cArgument(`${pid}/exe`), buffer, 1) < 0 && errno() === ENOENT;
}

/** All about a process whose root is known; undefined where it ended meanwhile. */
export function describeProcess(
  proc: number,
  pid: number,
  root: Root,
  withParent: boolean,
): JailedProcess | undefined {
  const uid = ownerOf(proc, pid);
  if (uid === undefined) return undefined;
  const program = exeOf(proc, pid, root);
  const start = readStart(proc, `${pid}/cmdline`);
  if (start === undefined) return undefined;
  const stat = withParent ? readProcFile(proc, `${pid}/stat`, 1 << 14) : undefined;
  const words = start.text === "" ? [] : start.text.split("\0");
  // Each argument ends with a NUL; a program that writes over its arguments may leave that out.
  if (words.length > 0 && words[words.length - 1] === "" && !start.cut) words.pop();
  return {
    pid,
    parent: stat === undefined ? 0 : parentFromStat(stat),
    uid,
    root,
    ...program,
    arguments: words,
    argumentsCut: start.cut,
  };
}
