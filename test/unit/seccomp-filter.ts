/** A reader of seccomp filters: what one says of a call. */
import { constants } from "node:os";
import type { Action } from "../../build/filters/text.ts";

/** What struct seccomp_data has. */
export interface Call {
  number: number;
  arch: number;
  arguments?: readonly bigint[];
}

// Two errors have a second name.
const ERRORS = new Map(
  Object.entries(constants.errno)
    .filter(([name]) => name !== "EWOULDBLOCK" && name !== "ENOTSUP")
    .map(([name, number]) => [number, name]),
);

/** An action of a text as `judge` returns it. */
export const endOf = (action: Action): string =>
  typeof action === "string" ? action : (ERRORS.get(action.errno) ?? "?");

function ending(value: number): string {
  if (value === 0x7fff0000) return "allow";
  if (value === 0x80000000) return "kill";
  if (value >>> 16 !== 5) throw new Error(`an unknown end: ${value}`);
  return endOf({ errno: value & 0xffff });
}

/** Runs a filter as the kernel does, bpf(4) and seccomp(2): "allow", "kill" or the name of an error. */
export function judge(words: Uint32Array, { number, arch, arguments: given = [] }: Call): string {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, arch, true);
  for (const [i, value] of given.entries()) data.setBigUint64(16 + 8 * i, BigInt.asUintN(64, value), true);
  let word = 0;
  for (let at = 0; at < words.length; at += 2) {
    // No part of the array is made an array of its own: filters are asked millions of times.
    const [first, value] = [words[at] ?? 0, words[at + 1] ?? 0];
    const [code, yes, no] = [first & 0xffff, (first >>> 16) & 0xff, first >>> 24];
    const jump = (holds: boolean) => {
      at += 2 * (holds ? yes : no);
    };
    if (code === 0x20) word = data.getUint32(value, true);
    else if (code === 0x54) word = (word & value) >>> 0;
    else if (code === 0x05) at += 2 * value;
    else if (code === 0x15) jump(word === value);
    else if (code === 0x25) jump(word > value);
    else if (code === 0x35) jump(word >= value);
    else if (code === 0x45) jump((word & value) !== 0);
    else if (code === 0x06) return ending(value);
    else throw new Error(`instruction ${at / 2}: ${code}`);
  }
  throw new Error("the filter has no end");
}

/** What the kernel does if the filter that says `end` was installed later: that one is asked first. */
export function stricter(before: string, end: string): string {
  const rank = (one: string) => (one === "kill" ? 0 : one === "allow" ? 2 : 1);
  return rank(end) <= rank(before) ? end : before;
}
