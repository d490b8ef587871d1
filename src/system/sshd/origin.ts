import type { ByteString } from "../../../ffi/bytes.ts";
import { matchesPattern } from "./settings.ts";

/** The bytes of an address: 4 or 16; undefined for what is none. */
function addressBytes(text: ByteString): number[] | undefined {
  const dotted = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (dotted !== null) {
    const bytes = dotted.slice(1).map(Number);
    return bytes.every((byte) => byte < 256) ? bytes : undefined;
  }
  if (!/^[0-9a-f:.]+$/i.test(text) || !text.includes(":")) return undefined;
  const [head = "", tail, more] = text.split("::");
  const words = (part: ByteString) =>
    part === ""
      ? []
      : part.split(":").flatMap((word): number[] => {
          if (word.includes(".")) return addressBytes(word) ?? [Number.NaN];
          return /^[0-9a-f]{1,4}$/i.test(word)
            ? [Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 255]
            : [Number.NaN];
        });
  const before = words(head);
  const after = tail === undefined ? [] : words(tail);
  const gap = 16 - before.length - after.length;
  if (more !== undefined || (tail === undefined ? gap !== 0 : gap < 0)) return undefined;
  const bytes = [...before, ...Array.from({ length: gap }, () => 0), ...after];
  return bytes.some(Number.isNaN) ? undefined : bytes;
}

/** Whether an address lies in a network, ADDRESS or ADDRESS/BITS; "bad" where that has bits beyond its own; undefined for no network. */
function inNetwork(from: ByteString, network: ByteString): boolean | "bad" | undefined {
  const [, text = "", length] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(network) ?? [];
  const wanted = addressBytes(text);
  if (wanted === undefined) return undefined;
  const bits = length === undefined ? wanted.length * 8 : Number(length);
  const isBeyond = (byte: number, index: number) => (byte & ~maskOf(bits, index)) !== 0;
  if (bits > wanted.length * 8 || wanted.some(isBeyond)) return "bad";
  const bytes = addressBytes(from);
  if (bytes?.length !== wanted.length) return false;
  return wanted.every((byte, index) => ((byte ^ (bytes[index] ?? 0)) & maskOf(bits, index)) === 0);
}

/** The bits of a byte of an address that belong to a network of so many bits. */
const maskOf = (bits: number, index: number) => (0xff00 >> Math.min(8, Math.max(0, bits - index * 8))) & 255;

/**
 * Whether a list of ssh_config(5) names where a login comes from, as from="..." of keys and USER@HOST have it: addresses,
 * networks and names, each also with a `!`. undefined where that is not known: `from` is undefined for any address, and
 * with `byName` sshd asks for the name of the host. A list with a network that is none names nobody. Pure.
 */
export function namesOrigin(
  list: ByteString,
  from: ByteString | undefined,
  byName: boolean,
): boolean | undefined {
  const items = list.split(",").map((item) => {
    const negated = item.startsWith("!");
    const pattern = negated ? item.slice(1) : item;
    const inside = pattern === "" ? "bad" : inNetwork(from ?? "", pattern);
    return { negated, pattern, inside };
  });
  if (items.some(({ inside }) => inside === "bad")) return false;
  if (from === undefined) return list === "*" ? true : undefined;
  const isMeant = ({ inside, pattern }: (typeof items)[number]) =>
    inside ?? matchesPattern(from.toLowerCase(), pattern.toLowerCase());
  if (items.some((item) => item.negated && isMeant(item))) return false;
  // What is no address may be the name.
  const open = (negated: boolean) =>
    byName && items.some((item) => item.negated === negated && item.inside === undefined && !isMeant(item));
  if (items.some((item) => !item.negated && isMeant(item))) return open(true) ? undefined : true;
  return open(false) ? undefined : false;
}
