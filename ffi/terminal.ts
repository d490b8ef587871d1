import { addressOf, libc } from "./libc.ts";

const TIOCGWINSZ = 0x5413;
// struct winsize: rows, columns, and pixels of both
const size = new Uint8Array(8);
const view = new DataView(size.buffer);

/** The columns of a terminal; undefined if `fd` is none, or does not know them. */
export function terminalColumns(fd: number): number | undefined {
  // SAFETY: the module keeps `size`, which has the length of a struct winsize.
  if (libc.ioctl(fd, TIOCGWINSZ, addressOf(size)) !== 0) return undefined;
  return view.getUint16(2, true) || undefined;
}
