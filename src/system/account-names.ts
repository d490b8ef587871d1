import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { readFileIfPresent } from "../../ffi/files.ts";
import { didYouMean } from "../cli/suggest.ts";

const LARGEST = 1 << 26;

/** The names in an account file of the host, without name services, for suggestions. */
export function namesIn(file: "/etc/passwd" | "/etc/group"): ByteString[] {
  const text = fromBytes(readFileIfPresent(file, LARGEST) ?? new Uint8Array(0));
  return text.split("\n").flatMap((line) => {
    const name = line.slice(0, Math.max(0, line.indexOf(":")));
    return name === "" || /^[#+-]/.test(name) ? [] : [name];
  });
}

/** `; did you mean 'NAME'?` if the host has an account with a similar name, else empty. */
export function userHint(name: ByteString): string {
  return didYouMean(name, namesIn("/etc/passwd"));
}
