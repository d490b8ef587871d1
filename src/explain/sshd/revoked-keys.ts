import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { readFileIfPresent } from "../../../ffi/files.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { rsaBits } from "../../system/sshd/authorized-keys.ts";
import { CONFIGURATION, firstOf, isSet, type SshdSettings } from "../../system/sshd/settings.ts";
import { readKeyLine } from "../../users/key-lines.ts";

/** What RevokedKeys of sshd_config(5) says of keys. */
export type RevokedKeys =
  | { kind: "listed"; keys: ReadonlySet<ByteString> }
  /** Nobody can tell from here. */
  | { kind: "unknown"; why: ByteString }
  /** sshd takes no key at all. */
  | { kind: "none-taken"; why: ByteString; remedy: ByteString };

const LARGEST_FILE = 1 << 20;
// How a file of ssh-keygen -k begins; others have a public key in each line.
const KRL = "SSHKRL\n\0";
const SHORTEST_RSA = 1024;

/** The key of a line; "" where sshd passes over it, undefined where it stops there and takes no key that it did not find before. */
function revokedIn(raw: ByteString): ByteString | undefined {
  const [line = ""] = raw.split("\0", 1);
  const found = readKeyLine(line);
  // A line end of another system is text.
  if (found === undefined) return line.trim() === "" && line.includes("\r") ? undefined : "";
  if (!("problem" in found)) return found.options === "" ? found.key : undefined;
  const [type = "", key = ""] = line.trim().split(/\s+/);
  const bits = type === "ssh-rsa" ? rsaBits(key) : undefined;
  return type.endsWith("-cert-v01@openssh.com") || (bits !== undefined && bits < SHORTEST_RSA)
    ? ""
    : undefined;
}

/** The keys that RevokedKeys names, or why nobody can tell, or why sshd takes no key at all. */
export function revokedKeys(settings: SshdSettings): RevokedKeys {
  if (!isSet(settings, "revokedkeys")) return { kind: "listed", keys: new Set() };
  const file = firstOf(settings, "revokedkeys");
  let bytes: Uint8Array | undefined;
  try {
    bytes = readFileIfPresent(file, LARGEST_FILE);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.code === "EFBIG")
      return { kind: "unknown", why: `${file} (RevokedKeys) is larger than 1 MiB, and was not read` };
  }
  if (bytes === undefined) {
    const why = `sshd takes no key: it cannot read ${file} (RevokedKeys)`;
    return { kind: "none-taken", why, remedy: `make ${file}, or take RevokedKeys out of ${CONFIGURATION}` };
  }
  const text = fromBytes(bytes);
  if (text.startsWith(KRL))
    return { kind: "unknown", why: `whether a key is revoked stands in ${file} (RevokedKeys)` };
  const keys = new Set<ByteString>();
  for (const [index, line] of text.split("\n").entries()) {
    const key = revokedIn(line);
    if (key === undefined) {
      const why = `sshd takes no key: line ${index + 1} of ${file} (RevokedKeys) is no public key`;
      return { kind: "none-taken", why, remedy: `sed -i '${index + 1}s/^/#/' ${shellWord(file)}` };
    }
    if (key !== "") keys.add(key);
  }
  return { kind: "listed", keys };
}
