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
  for (let i = 0; i < given.length; i++)
    data.setBigUint64(16 + 8 * i, BigInt.asUintN(64, given[i] ?? 0n), true);
  let word = 0;
  // Filters are asked millions of times: nothing is made for an instruction.
  for (let at = 0; at < words.length; at += 2) {
    const first = words[at] ?? 0;
    const value = words[at + 1] ?? 0;
    const code = first & 0xffff;
    let holds: boolean;
    if (code === 0x20) {
      word = data.getUint32(value, true);
      continue;
    } else if (code === 0x54) {
      word = (word & value) >>> 0;
      continue;
    } else if (code === 0x05) {
      at += 2 * value;
      continue;
    } else if (code === 0x15) holds = word === value;
    else if (code === 0x25) holds = word > value;
    else if (code === 0x35) holds = word >= value;
    else if (code === 0x45) holds = (word & value) !== 0;
    else if (code === 0x06) return ending(value);
    else throw new Error(`instruction ${at / 2}: ${code}`);
    at += 2 * (holds ? (first >>> 16) & 0xff : first >>> 24);
  }
  throw new Error("the filter has no end");
}

/** What the kernel does if the filter that says `end` was installed later: that one is asked first. */
export function stricter(before: string, end: string): string {
  const rank = (one: string) => (one === "kill" ? 0 : one === "allow" ? 2 : 1);
  return rank(end) <= rank(before) ? end : before;
}
