import type { ByteString } from "../../ffi/bytes.ts";
import * as L from "../../ffi/landlock.ts";
import { HOME, NAMED, type Names, PORT, PROGRAM, READABLE, ROOT } from "../../ffi/landlock-names.ts";
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

/** What names are allowed, from A to K: see Names. The last two are of ports. */
const ALLOWED = [
  ...[EXECUTED, L.EXECUTE, 0, READ, READ | DEVICE, DEVICE, SOURCE, L.REFER, WRITTEN],
  ...[L.CONNECT_TCP, L.BIND_TCP],
];

/**
 * Directories that are readable in every session; and devices that every session may read and write, but the last two.
 * /dev/log is a socket, which Landlock lets everyone connect to.
 */
export const SYSTEM = {
  count: 19,
  text:
    "/Dbin\0/Dsbin\0/Dlib\0/Dlib32\0/Dlib64\0/Dlibx32\0/Dopt\0/Dusr\0/Detc\0/Dproc\0" +
    ">Cdev\0/Epts\0=Fnull\0=Fzero\0=Ffull\0=Ftty\0=Fptmx\0=Grandom\0=Gurandom\0",
};
/** It may be a link to what a service of the host writes. */
export const RESOLVER = "/etc/resolv.conf";

/** The paths of `read` that only count if nobody but root can exchange them, which the guard does not know. */
export const fixedPaths = ({ read, write }: Ruled): readonly ByteString[] =>
  read !== "all" && write === "all" ? read : [];

/** The programs of the settings. */
export const programsOf = ({ execute }: Ruled): readonly ByteString[] =>
  execute === "any" ? [] : execute.executables;

/** The names of the rules for a confinement. `program`: see applyRules. */
export function namesOf(confinement: Ruled, program: ByteString | undefined): Names {
  const { execute, read, write, tcpConnect, tcpBind } = confinement;
  let text = "";
  let count = 1;
  const add = (start: string, paths: readonly (ByteString | number)[]) => {
    for (const path of paths) text += `${start}${path}\0`;
    count += paths.length;
  };
  if (execute !== "any" && !execute.onlyNamed) {
    text = `${HOME}A${execute.home}\0${SYSTEM_NAMES.text}`;
    count += SYSTEM_NAMES.count + 1;
  }
  const programs = programsOf(confinement);
  add(`${PROGRAM}B`, programs);
  text += `${ROOT}C\0`;
  if (read !== "all" || write !== "all") {
    text += SYSTEM.text;
    count += SYSTEM.count;
  }
  // Without `write`, files may be moved everywhere.
  if (write === "all") add(`${NAMED}H`, ["/"]);
  else {
    if (read !== "all") add(`${NAMED}D`, read);
    add(`${NAMED}I`, write);
  }
  if (read !== "all") {
    add(READABLE, [RESOLVER]);
    // Each session reads the directories of the dynamic linkers.
    for (const path of programs) if (path !== program && !LOADERS.includes(path)) add(READABLE, [path]);
    if (program !== undefined) add(READABLE, [program]);
  }
  if (tcpConnect !== "all") add(`${PORT}J`, tcpConnect);
  if (tcpBind !== "all") add(`${PORT}K`, tcpBind);
  return { text, count, allowed: ALLOWED };
}
