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

/** The paths of `read` that only count if nobody but root can exchange them, which the guard does not know. */
export const fixedPaths = ({ read, write }: Ruled): readonly ByteString[] =>
  read !== "all" && write === "all" ? read : [];

/** The programs of the settings. */
export const programsOf = ({ execute }: Ruled): readonly ByteString[] =>
  execute === "any" ? [] : execute.executables;

const NO_PATH = [""];

/** The names of the rules for a confinement. `program`: see applyRules. */
export function namesOf(confinement: Ruled, program: ByteString | undefined): Names {
  const { execute, read, write, tcpConnect, tcpBind } = confinement;
  const allowed: number[] = [];
  let text = "";
  const add = (sign: string, paths: readonly ByteString[], rights: number) => {
    for (const path of paths) {
      text += `${sign}${path}\0`;
      allowed.push(rights);
    }
  };
  if (execute !== "any" && !execute.onlyNamed) {
    text = `${HOME}${execute.home}\0${SYSTEM_NAMES.text}`;
    for (let i = 0; i <= SYSTEM_NAMES.count; i++) allowed.push(EXECUTED);
  }
  const programs = programsOf(confinement);
  add(PROGRAM, programs, L.EXECUTE);
  add(ROOT, NO_PATH, 0);
  if (read !== "all" || write !== "all") {
    text += SYSTEM.text;
    for (const rights of SYSTEM.allowed) allowed.push(rights);
  }
  // Without `write`, files may be moved everywhere.
  if (write === "all") add(NAMED, ["/"], L.REFER);
  else {
    if (read !== "all") add(NAMED, read, READ);
    add(NAMED, write, WRITTEN);
  }
  if (read !== "all") {
    add(READABLE, [RESOLVER], 0);
    add(READABLE, programs, 0);
    if (program !== undefined && !programs.includes(program)) add(READABLE, [program], 0);
  }
  if (tcpConnect !== "all") for (const port of tcpConnect) add(PORT, NO_PATH, L.CONNECT_TCP | (port << 16));
  if (tcpBind !== "all") for (const port of tcpBind) add(PORT, NO_PATH, L.BIND_TCP | (port << 16));
  return { text, allowed };
}
