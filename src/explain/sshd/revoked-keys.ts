import { type ByteString, trim } from "../../../ffi/bytes.ts";
import { type Advice, inWords } from "../../cli/remedy.ts";
import { rsaBits } from "../../system/sshd/authorized-keys.ts";
import { CONFIGURATION, firstOf, isSet, type SshdSettings } from "../../system/sshd/settings.ts";
import { readKeyLine } from "../../users/key-lines.ts";
import { readAs } from "../readable.ts";
import { commentOut } from "../steps.ts";

/** The keys of RevokedKeys (sshd_config(5)). */
type RevokedKeys =
  | { kind: "listed"; keys: ReadonlySet<ByteString> }
  | { kind: "unknown"; why: ByteString }
  /** sshd accepts no key at all. */
  | { kind: "none-taken"; why: ByteString; advice: Advice };

// A file of ssh-keygen -k starts with this; others have a public key in each line.
const KRL = "SSHKRL\n\0";
const SHORTEST_RSA = 1024;

/** The key in a line of RevokedKeys or TrustedUserCAKeys; "" for an ignored line, undefined if sshd reads no further. */
export function listedKey(raw: ByteString): ByteString | undefined {
  const [line = ""] = raw.split("\0", 1);
  const found = readKeyLine(line);
  // A carriage return is not white space to sshd.
  if (found === undefined) return trim(line) === "" && line.includes("\r") ? undefined : "";
  if (!("problem" in found)) return found.options === "" ? found.key : undefined;
  const [type = "", key = ""] = trim(line).split(/[\t-\r ]+/);
  const bits = type === "ssh-rsa" ? rsaBits(key) : undefined;
  return type.endsWith("-cert-v01@openssh.com") || (bits !== undefined && bits < SHORTEST_RSA)
    ? ""
    : undefined;
}

/** The keys in RevokedKeys, or the reason why they are unknown or sshd accepts no key at all. */
export function revokedKeys(settings: SshdSettings): RevokedKeys {
  if (!isSet(settings, "revokedkeys")) return { kind: "listed", keys: new Set() };
  const file = firstOf(settings, "revokedkeys");
  const { text, isLarge } = readAs(undefined, file);
  if (isLarge) return { kind: "unknown", why: `${file} (RevokedKeys) is larger than 1 MiB and was not read` };
  if (text === undefined) {
    const why = `sshd accepts no key: it cannot read ${file} (RevokedKeys)`;
    const words = `create ${file}, or take RevokedKeys out of ${CONFIGURATION}`;
    return { kind: "none-taken", why, advice: inWords(words) };
  }
  if (text.startsWith(KRL))
    return { kind: "unknown", why: `only ${file} (RevokedKeys) says whether a key is revoked` };
  const keys = new Set<ByteString>();
  for (const [index, line] of text.split("\n").entries()) {
    const key = listedKey(line);
    if (key === undefined) {
      const why = `sshd accepts no key: line ${index + 1} of ${file} (RevokedKeys) is not a public key`;
      return { kind: "none-taken", why, advice: commentOut(file, index + 1) };
    }
    if (key !== "") keys.add(key);
  }
  return { kind: "listed", keys };
}
