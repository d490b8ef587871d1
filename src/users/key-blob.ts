import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";

// A public key as RFC 4253, section 6.6, has it, in base64: strings, of which the first is the name of the type.

// The types that sshd(8) accepts; no longer DSA.
export const TYPES = [
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "ssh-rsa",
  "sk-ssh-ed25519@openssh.com",
  "sk-ecdsa-sha2-nistp256@openssh.com",
];

// The types of their signatures, which sshd(8) reads as those of the keys, before a key and in it.
const ALIASES: ReadonlyMap<string, string> = new Map([
  ["rsa-sha2-256", "ssh-rsa"],
  ["rsa-sha2-512", "ssh-rsa"],
  ["webauthn-sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"],
]);
// Other names of these types, which sshd(8) read in a key before version 10, in any case of the letters.
const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  ["ed25519", "ssh-ed25519"],
  ["rsa", "ssh-rsa"],
  ["ed25519-sk", "sk-ssh-ed25519@openssh.com"],
]);
const LONGEST_NAME = Math.max(...[...TYPES, ...ALIASES.keys()].map((name) => name.length));

/** The type of a key by its name; undefined for another one. `exact`: as ssh-keygen(1) writes it. */
export const typeNamed = (name: ByteString, exact: boolean): string | undefined =>
  TYPES.find((type) => type === (exact ? name : (ALIASES.get(name) ?? name)));

/** The name that a key begins with, as nameIn. */
function typeNameIn(blob: ByteString): ByteString {
  const start = Buffer.from(blob.slice(0, 2 * LONGEST_NAME), "base64");
  return start.length < 4 ? "" : nameIn(start.subarray(4, 4 + start.readUInt32BE(0))).toString("latin1");
}

/** A name in a key, without the zero byte that sshd(8) passes over at its end. */
const nameIn = (bytes: Buffer): Buffer => (bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes);

/** The strings of a key; undefined if it is damaged. */
function stringsIn(text: ByteString): Buffer[] | undefined {
  const blob = Buffer.from(text, "base64");
  // sshd rejects unused bits in the last character.
  if (blob.toString("base64") !== text) return undefined;
  const found: Buffer[] = [];
  for (let at = 0; at < blob.length; ) {
    if (at + 4 > blob.length) return undefined;
    const length = blob.readUInt32BE(at);
    at += 4 + length;
    if (at > blob.length) return undefined;
    found.push(blob.subarray(at - length, at));
  }
  return found;
}

/** A number as RFC 4251, section 5, has it: without the zero bytes that sshd passes over. */
function asNumber(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const rest = first < 0 ? bytes.subarray(0, 0) : bytes.subarray(first);
  return (rest[0] ?? 0) < 0x80 ? rest : Buffer.concat([Buffer.of(0), rest]);
}

/** A value of a key of a type, as ssh-keygen(1) writes it: sshd(8) takes others for the same one. */
function asWritten(type: string, value: Buffer, index: number): Buffer {
  if (type === "ssh-rsa") return asNumber(value);
  // Of the others, a key or a point is what it is; the curve before it and the application after it are names.
  return index === (type.includes("ecdsa") ? 1 : 0) ? value : nameIn(value);
}

/** A key of a type, in base64 as ssh-keygen(1) writes it. */
function canonical(type: string, blob: ByteString): ByteString {
  const [, ...values] = stringsIn(blob) ?? [];
  if (values.length === 0) return blob;
  const strings = [Buffer.from(type), ...values.map((value, index) => asWritten(type, value, index))];
  const parts = strings.flatMap((bytes) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  });
  return Buffer.concat(parts).toString("base64");
}

/** What identifies a key, in base64, of any type that sshd accepts: its type, and its canonical text; undefined for others. */
export function keyOfBlob(blob: ByteString): ByteString | undefined {
  const name = typeNameIn(blob);
  const type = typeNamed(name, false) ?? SHORT_NAMES.get(name.toLowerCase());
  return type && `${type} ${canonical(type, blob)}`;
}

/** Why this is not a key of its type; undefined if it is. `exact`: as typeNamed. */
export function badKey(type: ByteString, text: ByteString, exact: boolean): string | undefined {
  const strings = stringsIn(text);
  if (strings?.[0] === undefined) return "the key is damaged or was cut off";
  if (typeNamed(typeNameIn(text), exact) !== type) return `the key is not of the type ${quoted(type)}`;
  const values = strings.slice(1).map((value, index) => asWritten(type, value, index));
  // A curve and a point, or an exponent and a modulus; a security key also has its application.
  const isEd25519 = type.includes("ed25519");
  const wanted = (isEd25519 ? 1 : 2) + (type.startsWith("sk-") ? 1 : 0);
  const complete = values.length === wanted && values.every(({ length }) => length > 0);
  if (!complete || (isEd25519 && values[0]?.length !== 32)) return "the key is damaged or was cut off";
  const isShort = type === "ssh-rsa" && (values[1]?.length ?? 0) < 1024 / 8;
  return isShort ? "the RSA key is shorter than 1024 bits: sshd rejects it" : undefined;
}
