import type { ByteString } from "../../ffi/bytes.ts";
import * as L from "../../ffi/landlock.ts";
import { NAMED, type Names, nameOf, PORT, PROGRAM, READABLE, ROOT } from "../../ffi/landlock-names.ts";
import { isIn } from "../known-programs/allow/places.ts";
import { LOADERS, SYSTEM_NAMES } from "./execute.ts";
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
/** Those of them that have programs. */
const PROGRAMS = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt"];
/** It may be a link to what a service of the host writes. */
export const RESOLVER = "/etc/resolv.conf";

/** A path of the settings, and what is allowed there. */
export interface NamedPath {
  path: ByteString;
  rights: number;
}

/** What the guard is asked, and what it cannot do. The names of a list begin at an index, in the same order. */
export interface Request extends Names {
  home: ByteString | undefined;
  programs: readonly ByteString[];
  firstProgram: number;
  named: readonly NamedPath[];
  firstNamed: number;
  /** Files in SYSTEM that the session reads: programs, since execve(2) does, and RESOLVER. */
  readable: readonly ByteString[];
  firstReadable: number;
  /** Programs elsewhere that it reads. */
  unknown: readonly ByteString[];
  /** Paths that it reads if nobody but root can exchange them. */
  fixed: readonly ByteString[];
  /** The program, if it is not in what is read or written. */
  outside: ByteString | undefined;
  /** There is nothing besides: no paths as above, and no directories of the settings with programs. */
  isAll: boolean;
}

/** The paths of the settings, but those of Request.fixed. */
function namedPaths({ read, write }: Ruled): NamedPath[] {
  // Without `write`, files may be moved everywhere.
  if (write === "all") return [{ path: "/", rights: L.REFER }];
  const paths: NamedPath[] = [];
  // What can be written gets a rule below.
  if (read !== "all") for (const path of read) if (!write.includes(path)) paths.push({ path, rights: READ });
  for (const path of write) paths.push({ path, rights: WRITTEN });
  return paths;
}

/** The program, unless it is in what is read or written. */
function outsideOf({ read, write }: Ruled, program: ByteString | undefined): ByteString | undefined {
  if (program === undefined || read === "all" || isIn(program, read)) return undefined;
  return write !== "all" && isIn(program, write) ? undefined : program;
}

/** The programs that execve(2) of a session reads, by where they are: in SYSTEM, unless a link leads elsewhere, or not. */
function programsRead(programs: readonly ByteString[], outside: ByteString | undefined) {
  const readable: ByteString[] = [RESOLVER];
  const unknown: ByteString[] = [];
  const addOne = (path: ByteString) => {
    const isOfSystem = isIn(path, PROGRAMS) && !path.includes("/..");
    (isOfSystem ? readable : unknown).push(path);
  };
  if (outside !== undefined) addOne(outside);
  // Each session reads the directories of the dynamic linkers.
  for (const path of programs) if (path !== outside && !LOADERS.includes(path)) addOne(path);
  return { readable, unknown };
}

const NOTHING_READ = { readable: [], unknown: [] };

/** The rules for a confinement. `program`: see applyRules. Throws SystemError for a path with a NUL. */
export function requestOf(confinement: Ruled, program: ByteString | undefined): Request {
  const { execute, read, write, tcpConnect, tcpBind } = confinement;
  const limits = execute === "any" ? undefined : execute;
  const usesSystem = limits !== undefined && !limits.onlyNamed;
  let text = usesSystem ? SYSTEM_NAMES.text : "";
  const allowed: number[] = [];
  const add = (sign: string, path: ByteString, rights: number) => {
    text += nameOf(sign, path);
    allowed.push(rights);
  };
  const addPorts = (ports: Ruled["tcpBind"], right: number) => {
    if (ports !== "all") for (const port of ports) add(PORT, "", right | (port << 16));
  };
  for (let i = 0; usesSystem && i < SYSTEM_NAMES.count; i++) allowed.push(EXECUTED);
  const firstProgram = allowed.length;
  const programs: ByteString[] = [];
  for (const path of limits?.executables ?? []) if (path.startsWith("/")) programs.push(path);
  for (const path of programs) add(PROGRAM, path, L.EXECUTE);
  add(ROOT, "", 0);
  if (read !== "all" || write !== "all") {
    text += SYSTEM.text;
    for (const rights of SYSTEM.allowed) allowed.push(rights);
  }
  const firstNamed = allowed.length;
  const named = namedPaths(confinement);
  for (const { path, rights } of named) add(NAMED, path, rights);
  const firstReadable = allowed.length;
  const outside = outsideOf(confinement, program);
  const { readable, unknown } = read === "all" ? NOTHING_READ : programsRead(programs, outside);
  for (const path of readable) add(READABLE, path, 0);
  addPorts(tcpConnect, L.CONNECT_TCP);
  addPorts(tcpBind, L.BIND_TCP);
  const fixed = read !== "all" && write === "all" ? read : [];
  return {
    ...{ text, allowed, home: usesSystem ? limits.home : undefined },
    ...{ programs, firstProgram, named, firstNamed, readable, firstReadable, outside },
    ...{ unknown, fixed, isAll: unknown.length + fixed.length + (limits?.named.length ?? 0) === 0 },
  };
}
