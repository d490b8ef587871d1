import type { ByteString } from "../../../ffi/bytes.ts";
import type { PasswdEntry } from "../accounts.ts";
import { withTokens } from "./settings.ts";

/**
 * The time of `expiry-time` of a key: YYYYMMDD[HHMM[SS]], followed by Z or UTC, else in local time; undefined if invalid.
 * Pure.
 */
export function expiryTime(text: ByteString): Date | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z|UTC)?$/i.exec(text);
  if (parts === null) return undefined;
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0] = parts.slice(1, 7).map((part) => Number(part ?? 0));
  // As strptime(3): a day that the month does not have belongs to the next.
  if (mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || s > 61) return undefined;
  const isUtc = parts[7] !== undefined;
  return isUtc ? new Date(Date.UTC(y, mo - 1, d, h, mi, s)) : new Date(y, mo - 1, d, h, mi, s);
}

/** True if one of several values of `expiry-time` is invalid or in the past: the earliest counts. Pure. */
export function hasExpired(times: readonly ByteString[], now: Date): boolean {
  return times.some((text) => (expiryTime(text) ?? now) <= now);
}

/** True if sshd accepts keys of this type, by PubkeyAcceptedAlgorithms. Pure. */
export function isAccepted(type: ByteString, algorithms: readonly ByteString[]): boolean {
  const names = type === "ssh-rsa" ? ["rsa-sha2-256", "rsa-sha2-512", "ssh-rsa"] : [type];
  return algorithms.length === 0 || names.some((name) => algorithms.includes(name));
}

/** The bits of an RSA key, from its base64 text (RFC 4253, section 6.6); undefined if it is not an RSA key. Pure. */
export function rsaBits(base64: ByteString): number | undefined {
  const blob = Buffer.from(base64, "base64");
  const fields: Buffer[] = [];
  for (let at = 0; at + 4 <= blob.length; ) {
    const end = at + 4 + blob.readUInt32BE(at);
    fields.push(blob.subarray(at + 4, end));
    at = end;
  }
  const [type, , modulus] = fields;
  if (type?.toString("latin1") !== "ssh-rsa" || modulus === undefined) return undefined;
  const first = modulus.findIndex((byte) => byte !== 0);
  return first < 0 ? 0 : (modulus.length - first) * 8 - (Math.clz32(modulus[first] ?? 0) - 24);
}

/** The files of AuthorizedKeysFile for a user, with the tokens of sshd_config(5) expanded. Pure. */
export function keyFiles(
  patterns: readonly ByteString[],
  account: Pick<PasswdEntry, "name" | "uid" | "home">,
): ByteString[] {
  const paths = patterns.filter((one) => one !== "none").map((one) => withTokens(one, account));
  return paths.map((path) => (path.startsWith("/") ? path : `${account.home}/${path}`));
}
