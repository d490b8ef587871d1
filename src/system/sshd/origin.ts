import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import { matchesPattern } from "./settings.ts";

/** The 4 or 16 bytes of an address; undefined if invalid. */
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

/**
 * True if an address is in a network, ADDRESS or ADDRESS/BITS; "bad" if that has bits after its prefix; undefined if it
 * is not a network.
 */
function inNetwork(from: ByteString, network: ByteString): boolean | "bad" | undefined {
  const [, text = "", length] = /^([^/]*)(?:\/(\d+))?$/.exec(network) ?? [];
  const wanted = addressBytes(text);
  if (wanted === undefined) return undefined;
  const bits = length === undefined ? wanted.length * 8 : Number(length);
  const isBeyond = (byte: number, index: number) => (byte & ~maskOf(bits, index)) !== 0;
  if (bits > wanted.length * 8 || wanted.some(isBeyond)) return "bad";
  const bytes = addressBytes(from);
  if (bytes?.length !== wanted.length) return false;
  return wanted.every((byte, index) => ((byte ^ (bytes[index] ?? 0)) & maskOf(bits, index)) === 0);
}

/** The mask for the byte at `index` in a network of `bits` bits. */
const maskOf = (bits: number, index: number) => (0xff00 >> Math.min(8, Math.max(0, bits - index * 8))) & 255;

/**
 * True if a pattern list of ssh_config(5) matches the client, as in from="..." of keys and in USER@HOST: addresses,
 * networks and names, each also with `!`. Undefined if unknown: without `from` for any address, and `byName` if sshd
 * looks up the host name. A list with a bad network matches nobody. Pure.
 */
export function namesOrigin(
  list: ByteString,
  from: ByteString | undefined,
  byName: boolean,
): boolean | undefined {
  if (namesNobody(list) !== undefined) return false;
  const items = itemsIn(list, from);
  if (from === undefined) return list === "*" ? true : undefined;
  const isMeant = ({ inside, pattern }: (typeof items)[number]) =>
    inside ?? matchesPattern(from.toLowerCase(), pattern.toLowerCase());
  if (items.some((item) => item.negated && isMeant(item))) return false;
  // Not an address: it may be a host name.
  const open = (negated: boolean) =>
    byName && items.some((item) => item.negated === negated && item.inside === undefined && !isMeant(item));
  if (items.some((item) => !item.negated && isMeant(item))) return open(true) ? undefined : true;
  return open(false) ? undefined : false;
}

const itemsIn = (list: ByteString, from = "") =>
  list.split(",").map((item) => {
    const negated = item.startsWith("!");
    const pattern = negated ? item.slice(1) : item;
    return { negated, pattern, inside: pattern === "" ? "bad" : inNetwork(from, pattern) };
  });

/** Why such a list matches no client at all. */
export interface NamesNobody {
  readonly why: string;
  /** A network in it, and the one that was meant. */
  readonly meant?: { readonly old: ByteString; readonly now: ByteString } | undefined;
}

/** The same; undefined if it may match one. Pure. */
export function namesNobody(list: ByteString): NamesNobody | undefined {
  const items = itemsIn(list);
  const bad = items.find(({ inside }) => inside === "bad");
  if (bad?.pattern === "") return { why: list === "" ? "is empty" : "has a comma too many" };
  if (bad !== undefined) return badNetwork(bad.pattern);
  // No address and no name has a slash.
  const isNever = (pattern: ByteString) => {
    const [, mask] = /\/(.*)$/s.exec(pattern) ?? [];
    return mask !== undefined && !/^\d+$/.test(mask);
  };
  return items.every(({ negated, pattern }) => negated || isNever(pattern))
    ? { why: "has no address, network or name from which a login is accepted" }
    : undefined;
}

function badNetwork(network: ByteString): NamesNobody {
  const [text = "", length = ""] = network.split("/");
  const bytes = addressBytes(text) ?? [];
  const most = bytes.length * 8;
  const name = quoted(network);
  if (Number(length) > most) return { why: `has ${name}, and an address has ${most} bits` };
  const first = bytes.map((byte, index) => byte & maskOf(Number(length), index));
  const now = bytes.length === 4 ? `${first.join(".")}/${length}` : undefined;
  const meant = now === undefined ? undefined : { old: network, now };
  const advice = now === undefined ? "" : `: write ${quoted(now)}, or ${quoted(text)} alone`;
  return {
    why: `has ${name}, an address with bits after the first ${length}, which is no network${advice}`,
    meant,
  };
}
