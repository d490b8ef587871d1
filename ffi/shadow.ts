import type { ByteString } from "./bytes.ts";
import { EACCES, ENOENT, ERANGE, ESRCH } from "./constants.ts";
import { SystemError } from "./error.ts";
import { addressOf, cArgument, i64At, libc, pointerAt, stringAt } from "./libc.ts";

const LARGEST_BUFFER = 1 << 20;

const STRUCTURE = 96;
const held: Uint8Array[] = [];
// A name service's ways to say that there is no entry, or that it may not be read.
const ABSENT = [0, ENOENT, ESRCH, EACCES];

/** struct spwd of shadow(3) on 64-bit Linux: two pointers, then longs. */
function decode(at: number) {
  const days = (offset: number) => Number(i64At(at, offset));
  return {
    password: stringAt(pointerAt(at, 8)) ?? "",
    lastChange: days(16),
    maximum: days(32),
    inactive: days(48),
    expire: days(56),
  };
}

/** getspnam_r(3): the shadow entry of a name; undefined if there is none, or it may not be read. */
export function shadowEntry(name: ByteString): ReturnType<typeof decode> | undefined {
  const structure = new Uint8Array(STRUCTURE);
  const found = new BigUint64Array(1);
  for (let size = 4096; ; size *= 4) {
    const buffer = new Uint8Array(size);
    held[0] = structure;
    held[1] = buffer;
    // SAFETY: larger than struct spwd; `buffer` has the length that is passed; `found` is a pointer.
    const error = libc.getspnam_r(cArgument(name), structure, buffer, buffer.length, found);
    if (error === ERANGE && size < LARGEST_BUFFER) continue;
    if (!ABSENT.includes(error)) throw new SystemError(error, "getspnam", name);
    if (error !== 0 || found[0] === 0n) return undefined;
    // SAFETY: `held` has the structure, and the buffer that it points into.
    return decode(addressOf(structure));
  }
}
