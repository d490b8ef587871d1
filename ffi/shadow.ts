import type { ByteString } from "./bytes.ts";
import { ERANGE } from "./constants.ts";
import { SystemError } from "./error.ts";
import { addressOf, cArgument, i64At, libc, pointerAt, stringAt } from "./libc.ts";

const LARGEST_BUFFER = 1 << 20;

/** struct spwd of shadow(3), of 64-bit Linux: two pointers, then longs. */
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

/** getspnam_r(3): the shadow entry of that name, undefined where there is none (or it may not be read). */
export function shadowEntry(name: ByteString): ReturnType<typeof decode> | undefined {
  const structure = new Uint8Array(96);
  const found = new BigUint64Array(1);
  for (let size = 4096; ; size *= 4) {
    const buffer = new Uint8Array(size);
    const error = libc.getspnam_r(cArgument(name), structure, buffer, buffer.length, found);
    if (error === ERANGE && size < LARGEST_BUFFER) continue;
    if (error !== 0 && error !== 2 && error !== 3 && error !== 13)
      throw new SystemError(error, "getspnam", name);
    if (error !== 0 || found[0] === 0n) return undefined;
    const entry = decode(addressOf(structure));
    // The text that it points to lies in here until it is read.
    if (buffer.length === 0) throw new RangeError("no buffer");
    return entry;
  }
}
