import type { ByteString } from "../../../ffi/bytes.ts";
import type { PasswdEntry } from "../accounts.ts";
import { withTokens } from "./settings.ts";

/** Whether `expiry-time` among the options of a key (YYYYMMDD or YYYYMMDDHHMM[SS], UTC with a Z) lies in the past. Pure. */
export function hasExpired(options: ReadonlyMap<string, ByteString>, now: Date): boolean {
  const parts = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z?)$/i.exec(options.get("expiry-time") ?? "");
  if (parts === null) return options.has("expiry-time");
  const [, year, month, day, hour = "0", minute = "0", second = "0", utc] = parts;
  const numbers = [year, month, day, hour, minute, second].map(Number);
  const [y = 0, mo = 1, d = 1, h = 0, mi = 0, s = 0] = numbers;
  const at = utc === "" ? new Date(y, mo - 1, d, h, mi, s) : new Date(Date.UTC(y, mo - 1, d, h, mi, s));
  return at <= now;
}

/** Whether sshd takes keys of this type, by PubkeyAcceptedAlgorithms. Pure. */
export function isAccepted(type: ByteString, algorithms: readonly ByteString[]): boolean {
  const names = type === "ssh-rsa" ? ["rsa-sha2-256", "rsa-sha2-512", "ssh-rsa"] : [type];
  return algorithms.length === 0 || names.some((name) => algorithms.includes(name));
}

/**
 * How many bits an RSA key has, of its text in base64: RFC 4253, section 6.6 (a string, the exponent and the modulus, with
 * the length before each). undefined for what is none. Pure.
 */
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

/** The files of AuthorizedKeysFile for somebody, tokens of sshd_config(5) filled in. Pure. */
export function keyFiles(
  patterns: readonly ByteString[],
  account: Pick<PasswdEntry, "name" | "uid" | "home">,
): ByteString[] {
  return patterns
    .filter((pattern) => pattern !== "none")
    .map((pattern) => {
      const path = withTokens(pattern, account);
      return path.startsWith("/") ? path : `${account.home}/${path}`;
    });
}
