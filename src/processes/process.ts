import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { O_CLOEXEC, O_RDONLY } from "../../ffi/constants.ts";
import { cArgument, libc } from "../../ffi/libc.ts";
import { below } from "../system/mountinfo.ts";
import { confinementFromStatus, type ProcessConfinement } from "./confinement.ts";
import { type Root, readProcFile, readProcLink, withoutDeleted } from "./roots.ts";
import { identify, ownerOf, type ProcessPath } from "./scan.ts";

/** A process with another root directory than this one. */
export interface JailedProcess {
  pid: number;
  /** The parent's pid; 0 if there is none, or it is not visible. */
  parent: number;
  /** The effective user id. */
  uid: number;
  root: Root;
  /** The program's path on the host, if it has one; undefined if it is unknown. */
  exe: ByteString | undefined;
  exeRemoved: boolean;
  /** The arguments, with the program's own name, up to ARGUMENTS_LIMIT bytes. */
  arguments: ByteString[];
  /** There are more arguments. */
  argumentsCut: boolean;
  /** Only if it was asked for. */
  confinement?: ProcessConfinement;
}

/** What describeProcess looks up besides; each is one more file for each process. */
export interface ProcessDetails {
  parents: boolean;
  confinement: boolean;
}

// As many bytes as jailkit 2.23 shows.
const ARGUMENTS_LIMIT = 4096;
const STAT_LIMIT = 1 << 14;
// The line of the groups holds up to 65536 numbers.
const STATUS_LIMIT = 1 << 20;

const buffer = new Uint8Array(ARGUMENTS_LIMIT + 1);

/** The first bytes of a file of /proc; undefined if it cannot be read. Without exceptions, since there may be thousands. */
function readStart(proc: number, path: ByteString): { text: ByteString; cut: boolean } | undefined {
  const fd = libc.openat(proc, cArgument(path), O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return undefined;
  // SAFETY: at most the length of the module's buffer.
  const count = libc.read(fd, buffer, buffer.length);
  libc.close(fd);
  if (count < 0) return undefined;
  return { text: fromBytes(buffer, 0, Math.min(count, ARGUMENTS_LIMIT)), cut: count > ARGUMENTS_LIMIT };
}

/** The parent's pid in the text of proc_pid_stat(5), whose second field, in parentheses, may contain anything. */
export function parentFromStat(text: ByteString): number {
  return Number(/^ \S (\d+) /.exec(text.slice(text.lastIndexOf(")") + 1))?.[1] ?? 0);
}

/** The program's path on the host: the root's name replaces the root's text at its beginning. */
function exeOf(proc: number, process: ProcessPath, root: Root): Pick<JailedProcess, "exe" | "exeRemoved"> {
  const link = readProcLink(proc, `${process}/exe`);
  if (link === undefined) return { exe: undefined, exeRemoved: false };
  const exeRemoved = link !== withoutDeleted(link) && identify(proc, `${process}/exe`)?.removed !== false;
  const path = exeRemoved ? withoutDeleted(link) : link;
  const text = root.removed ? withoutDeleted(root.text) : root.text;
  // A path in a container stays as it is.
  const rest = root.name === text || root.kind === "container" ? undefined : below(path, text);
  return { exe: rest === undefined ? path : `${root.name.replace(/\/$/, "")}${rest}`, exeRemoved };
}

// In the field `flags` of proc_pid_stat(5).
const PF_KTHREAD = 0x200000;

/** Whether a process is a kernel thread. Some, such as that of devtmpfs, have a root of their own, but are in no jail. */
export function isKernelThread(proc: number, process: ProcessPath): boolean {
  const stat = readProcFile(proc, `${process}/stat`, STAT_LIMIT) ?? "";
  const flags = /^ \S (?:-?\d+ ){5}(\d+) /.exec(stat.slice(stat.lastIndexOf(")") + 1))?.[1];
  return (Number(flags ?? 0) & PF_KTHREAD) !== 0;
}

/** Describes a process with this root; undefined if it ended in the meantime. */
export function describeProcess(
  proc: number,
  process: ProcessPath,
  root: Root,
  { parents, confinement }: ProcessDetails,
): JailedProcess | undefined {
  const uid = ownerOf(proc, process);
  if (uid === undefined) return undefined;
  const program = exeOf(proc, process, root);
  const start = readStart(proc, `${process}/cmdline`);
  if (start === undefined) return undefined;
  const stat = parents ? readProcFile(proc, `${process}/stat`, STAT_LIMIT) : undefined;
  const status = confinement ? readProcFile(proc, `${process}/status`, STATUS_LIMIT) : undefined;
  // It ended, unless its directory is still there: then the file is refused.
  if (confinement && status === undefined && ownerOf(proc, process) === undefined) return undefined;
  const words = start.text === "" ? [] : start.text.split("\0");
  // Each argument ends with a NUL, unless the program overwrote it.
  if (words.length > 0 && words[words.length - 1] === "" && !start.cut) words.pop();
  return {
    pid: Number.parseInt(process, 10),
    parent: stat === undefined ? 0 : parentFromStat(stat),
    uid,
    root,
    ...program,
    arguments: words,
    argumentsCut: start.cut,
    ...(confinement ? { confinement: confinementFromStatus(status ?? "") } : {}),
  };
}
