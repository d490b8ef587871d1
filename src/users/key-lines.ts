import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { readInto } from "../../ffi/files.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { type NamesNobody, namesNobody } from "../system/sshd/origin.ts";
import { badKey, keyOfBlob, typeNamed } from "./key-blob.ts";
import { badOptions, optionValues } from "./key-options.ts";

/** A line of authorized_keys that holds a key. */
export interface KeyLine {
  /** The whole line, without its end. */
  line: ByteString;
  /** The part before the type, "" for none. */
  options: ByteString;
  /** Type and key, which identify it, as ssh-keygen(1) writes them. */
  key: ByteString;
}

/** The largest accepted file of keys, in bytes: some hundred keys. */
export const KEYS_LIMIT = 1 << 16;

/** What standard input has, up to one byte more than that. */
export function readStandardInput(): ByteString {
  const buffer = new Uint8Array(KEYS_LIMIT + 1);
  let used = 0;
  for (let count = -1; count !== 0 && used < buffer.length; used += count)
    count = readInto(0, buffer.subarray(used));
  return fromBytes(buffer.subarray(0, used));
}

// What b64_pton of libresolv, by which it reads a key, passes over besides blanks, which end the word.
export const PASSED_OVER = /[\v\f\r]/g;

const isBlank = (char: string) => char === " " || char === "\t";

/** Without blanks at both ends; in linear time, because a user may write any line. */
export function withoutBlanks(text: ByteString): ByteString {
  let start = 0;
  let end = text.length;
  while (end > start && (isBlank(text.charAt(end - 1)) || text.charAt(end - 1) === "\r")) end--;
  while (start < end && isBlank(text.charAt(start))) start++;
  return text.slice(start, end);
}

/** Splits at the first blank. */
export function splitWord(text: ByteString): [word: ByteString, rest: ByteString] {
  let at = 0;
  while (at < text.length && !isBlank(text.charAt(at))) at++;
  return [text.slice(0, at), withoutBlanks(text.slice(at))];
}

/** The end of the first word of a line: at a blank outside quotes. */
export function endOfWord(line: ByteString): number {
  let inQuotes = false;
  for (let at = 0; at < line.length; at++) {
    const char = line.charAt(at);
    if (char === "\\" && line.charAt(at + 1) === '"') at++;
    else if (char === '"') inQuotes = !inQuotes;
    else if (!inQuotes && isBlank(char)) return at;
  }
  return line.length;
}

/** The fingerprint of a key, as ssh-keygen(1) with -l and the log of sshd(8) show it. */
export const fingerprintOf = ({ key }: Pick<KeyLine, "key">): string =>
  `SHA256:${Bun.CryptoHasher.hash("sha256", Buffer.from(splitWord(key)[1], "base64"), "base64").replace(/=+$/, "")}`;

/** The type of a KeyLine. */
export const keyType = ({ key }: KeyLine): ByteString => key.slice(0, key.indexOf(" "));

/** Why a line is no key; `meant`: a part of it, and what was meant with that. */
export interface BadLine extends Pick<NamesNobody, "meant"> {
  readonly problem: string;
}

/** Why sshd(8) accepts a key with these options from nowhere; undefined if it may accept it. */
function fromNowhere(options: ByteString): BadLine | undefined {
  const found = optionValues(options, "from").map(namesNobody)[0];
  if (found === undefined) return undefined;
  const { why, meant } = found;
  return { problem: `sshd accepts this key from nowhere: the option 'from' ${why}`, meant };
}

/**
 * Parses a line: a key, undefined for a comment or an empty line, or a problem. `exact`: so is what sshd accepts though nobody
 * writes it, such as a missing option between two commas, and a key that it reads and never accepts.
 */
export function readKeyLine(text: ByteString, exact = true): KeyLine | undefined | BadLine {
  const line = withoutBlanks(text);
  if (line === "" || line.startsWith("#")) return undefined;
  const first = line.slice(0, endOfWord(line));
  const plain = typeNamed(first, exact) !== undefined;
  const options = plain ? "" : first;
  const [name, rest] = splitWord(plain ? line : withoutBlanks(line.slice(first.length)));
  const type = typeNamed(name, exact);
  const [word] = splitWord(rest);
  const key = exact ? word : word.replace(PASSED_OVER, "");
  if (type === undefined) {
    const named = [first, name].find((word) => /^(?:ssh|ecdsa|sk|webauthn)-[\w@.-]+$/.test(word));
    if (named === undefined) return { problem: "is not a public key of OpenSSH" };
    return { problem: `sshd rejects keys of the type ${quoted(named)}` };
  }
  const problem = (options === "" ? undefined : badOptions(options, exact)) ?? badKey(type, key, exact);
  if (problem !== undefined) return { problem };
  const nowhere = exact ? fromNowhere(options) : undefined;
  return nowhere ?? { line, options, key: keyOfBlob(key) ?? `${type} ${key}` };
}

function refuse(what: ByteString, why: string): JailkitError {
  return new JailkitError("bad-key", 1, `${what}: ${why}`);
}

/** The error for more than KEYS_LIMIT bytes. */
export function tooLong(what: ByteString): JailkitError {
  return refuse(what, `is longer than ${KEYS_LIMIT} bytes: that is no file of public keys`);
}

const PRIVATE = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|^PuTTY-User-Key-File-/m;
const FOREIGN = /^(?:---- BEGIN SSH2|-----BEGIN(?: (RSA))?) PUBLIC KEY ?----/m;

/** The last line of what foreignFormat is about. */
export const FOREIGN_END = /^----[- ]END [A-Z0-9 ]*PUBLIC KEY/;

/** Why a text is no key, or has none, which is in a format of other programs; undefined if it is not in one. Pure. */
export function foreignFormat(text: ByteString): string | undefined {
  const found = FOREIGN.exec(text);
  if (found === null) return undefined;
  const isRfc = found[0].includes("SSH2");
  const [format, option] = isRfc ? ["RFC 4716", ""] : found[1] ? ["PEM", "-m PEM "] : ["PKCS8", "-m PKCS8 "];
  return `is a key in the format of ${format}: convert it with 'ssh-keygen -i ${option}-f FILE'`;
}

/** True for the text of a private key, or of a file with one. Pure. */
export const isPrivateKey = (text: ByteString): boolean => PRIVATE.test(text);

/**
 * The keys in the text of a file of public keys in the format of authorized_keys, at least one. `what`: the file, printable,
 * for errors. Throws JailkitError "bad-key", which shows only words of lines of keys.
 */
export function parsePublicKeys(text: ByteString, what: ByteString): KeyLine[] {
  if (text.length > KEYS_LIMIT) throw tooLong(what);
  if (isPrivateKey(text))
    throw refuse(what, "is a private key, which only its user should have: use the public key (FILE.pub)");
  const foreign = foreignFormat(text);
  if (foreign !== undefined) throw refuse(what, foreign);
  if (/[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f]|\r(?!\n)/.test(text))
    throw refuse(what, "holds control bytes: that is no file of public keys");
  const keys = new Map<ByteString, KeyLine>();
  // Editors of other systems begin a file with a byte order mark.
  const lines = text.replace(/^\xef\xbb\xbf/, "").split("\n");
  for (const [index, line] of lines.entries()) {
    const found = readKeyLine(line);
    if (found === undefined) continue;
    if ("problem" in found) throw refuse(`${what}, line ${index + 1}`, found.problem);
    if (!keys.has(found.key)) keys.set(found.key, found);
  }
  if (keys.size === 0) throw refuse(what, "holds no public key");
  return [...keys.values()];
}
