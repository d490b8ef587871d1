import type { ByteString } from "../../ffi/bytes.ts";
import * as L from "../../ffi/landlock.ts";
import { HOME, NAMED, type Names, PORT, PROGRAM, READABLE, ROOT } from "../../ffi/landlock-names.ts";
import { SYSTEM_NAMES } from "./execute.ts";
import type { Confinement } from "./policy.ts";

/** What a confinement asks of rules. */
export type Ruled = Omit<Confinement, "limits">;

const MAKE = L.MAKE_DIR | L.MAKE_REG | L.MAKE_SOCK | L.MAKE_FIFO | L.MAKE_SYM;
/** The rights that the keys `read` and `write` are about. */
export const READ: number = L.READ_FILE | L.READ_DIR;
export const WRITE: number = L.WRITE_FILE | L.REMOVE_DIR | L.REMOVE_FILE | MAKE;

const EXECUTED = L.EXECUTE | READ;
const WRITTEN = READ | WRITE | L.REFER | L.TRUNCATE | L.IOCTL_DEV;
const DEVICE = L.READ_FILE | L.WRITE_FILE | L.TRUNCATE | L.IOCTL_DEV;
const SOURCE = L.READ_FILE | L.IOCTL_DEV;

/**
 * Directories that are readable in every session; and devices that every session may read and write, but the last two.
 * /dev/log is a socket, which Landlock lets everyone connect to.
 */
export const SYSTEM: Names = {
  text:
    "/bin\0/sbin\0/lib\0/lib32\0/lib64\0/libx32\0/opt\0/usr\0/etc\0/proc\0" +
    ">dev\0/pts\0=null\0=zero\0=full\0=tty\0=ptmx\0=random\0=urandom\0",
  allowed: [
    ...[READ, READ, READ, READ, READ, READ, READ, READ, READ, READ],
    ...[0, READ | DEVICE, DEVICE, DEVICE, DEVICE, DEVICE, DEVICE, SOURCE, SOURCE],
  ],
};
/** It may be a link to what a service of the host writes. */
export const RESOLVER = "/etc/resolv.conf";

/** A path of the settings, and what is allowed there. */
export interface NamedPath {
  path: ByteString;
  rights: number;
}

/** What the guard is asked. The names of a list begin at an index, in the same order. */
export interface Request extends Names {
  programs: readonly ByteString[];
  firstProgram: number;
  named: readonly NamedPath[];
  firstNamed: number;
  /** What the session is to read, if each session may: programs, since execve(2) does, and RESOLVER. */
  readable: readonly ByteString[];
  firstReadable: number;
}

/** The paths of `read` that only count if nobody but root can exchange them, which the guard does not know. */
export const fixedPaths = ({ read, write }: Ruled): readonly ByteString[] =>
  read !== "all" && write === "all" ? read : [];

/** The other paths of the settings. */
function namedPaths({ read, write }: Ruled): NamedPath[] {
  // Without `write`, files may be moved everywhere.
  if (write === "all") return [{ path: "/", rights: L.REFER }];
  const paths: NamedPath[] = [];
  // What can be written gets a rule below.
  if (read !== "all") for (const path of read) if (!write.includes(path)) paths.push({ path, rights: READ });
  for (const path of write) paths.push({ path, rights: WRITTEN });
  return paths;
}

/** The rules for a confinement. `program`: see applyRules. A login runs it: more functions would take more time. */
export function requestOf(confinement: Ruled, program: ByteString | undefined): Request {
  const { execute, read, write, tcpConnect, tcpBind } = confinement;
  const allowed: number[] = [];
  let text = "";
  if (execute !== "any" && !execute.onlyNamed) {
    text = `${HOME}${execute.home}\0${SYSTEM_NAMES.text}`;
    for (let i = 0; i <= SYSTEM_NAMES.count; i++) allowed.push(EXECUTED);
  }
  const firstProgram = allowed.length;
  const programs: ByteString[] = [];
  if (execute !== "any") {
    for (const path of execute.executables) {
      if (!path.startsWith("/")) continue;
      programs.push(path);
      text += `${PROGRAM}${path}\0`;
      allowed.push(L.EXECUTE);
    }
  }
  text += `${ROOT}\0`;
  allowed.push(0);
  if (read !== "all" || write !== "all") {
    text += SYSTEM.text;
    for (const rights of SYSTEM.allowed) allowed.push(rights);
  }
  const firstNamed = allowed.length;
  const named = namedPaths(confinement);
  for (const { path, rights } of named) {
    text += `${NAMED}${path}\0`;
    allowed.push(rights);
  }
  const firstReadable = allowed.length;
  const readable: ByteString[] = [];
  if (read !== "all") {
    readable.push(RESOLVER, ...programs);
    if (program !== undefined && !programs.includes(program)) readable.push(program);
  }
  for (const path of readable) {
    text += `${READABLE}${path}\0`;
    allowed.push(0);
  }
  for (const [ports, right] of [
    [tcpConnect, L.CONNECT_TCP],
    [tcpBind, L.BIND_TCP],
  ] as const) {
    if (ports === "all") continue;
    for (const port of ports) {
      text += `${PORT}\0`;
      allowed.push(right | (port << 16));
    }
  }
  return { text, allowed, programs, firstProgram, named, firstNamed, readable, firstReadable };
}
