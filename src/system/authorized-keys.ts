import { type ByteString, toBytes } from "../../ffi/bytes.ts";

/** A key of an authorized_keys file of sshd(8). */
export interface AuthorizedKey {
  line: number;
  type: ByteString;
  /** Names in lower case; what has no value has "". Quotes are gone. */
  options: ReadonlyMap<string, ByteString>;
}

const OPTION = /^([A-Za-z0-9-]+)(?:="((?:\\"|[^"])*)")?(,|\s+|$)/;

const KNOWN = new Set(
  (
    "agent-forwarding cert-authority command environment expiry-time from permitlisten permitopen port-forwarding " +
    "principals pty restrict touch-required tunnel user-rc verify-required x11-forwarding"
  ).split(" "),
);

/** The base64 text of a key, whose first string repeats the type: RFC 4253, section 6.6. */
function isBlob(type: ByteString, text: ByteString): boolean {
  if (!/^[A-Za-z0-9+/]+=*$/.test(text)) return false;
  const bytes = Buffer.from(text, "base64");
  const length = bytes.length < 4 ? -1 : bytes.readUInt32BE(0);
  return length === type.length && bytes.subarray(4, 4 + length).equals(Buffer.from(toBytes(type)));
}

/** The type of a key at the beginning of a text; undefined where there is none. */
function keyType(text: ByteString): ByteString | undefined {
  const [type = "", blob = ""] = text.split(/\s+/);
  return /^[a-z0-9@.-]+$/.test(type) && isBlob(type, blob) ? type : undefined;
}

/** The keys of a file; lines that sshd could make nothing of are left out. Pure. */
export function authorizedKeys(text: ByteString): AuthorizedKey[] {
  return text.split("\n").flatMap((raw, index): AuthorizedKey[] => {
    let rest = raw.trim();
    if (rest === "" || rest.startsWith("#")) return [];
    const options = new Map<string, ByteString>();
    for (let type = keyType(rest); ; type = keyType(rest)) {
      if (type !== undefined) return [{ line: index + 1, type, options }];
      const [whole = "", name = "", value = ""] = OPTION.exec(rest) ?? [];
      // sshd takes no key with an option that it does not know.
      if (whole === "" || !KNOWN.has(name.toLowerCase().replace(/^no-/, ""))) return [];
      options.set(name.toLowerCase(), value.replaceAll('\\"', '"'));
      rest = rest.slice(whole.length);
    }
  });
}

/** Whether `expiry-time` of a key (YYYYMMDD or YYYYMMDDHHMM[SS], UTC with a Z) lies in the past. Pure. */
export function hasExpired(key: AuthorizedKey, now: Date): boolean {
  const parts = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z?)$/i.exec(
    key.options.get("expiry-time") ?? "",
  );
  if (parts === null) return key.options.has("expiry-time");
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

/** The files of AuthorizedKeysFile for somebody, tokens of sshd_config(5) filled in. Pure. */
export function keyFiles(
  patterns: readonly ByteString[],
  { name, uid, home }: { name: ByteString; uid: number; home: ByteString },
): ByteString[] {
  return patterns
    .filter((pattern) => pattern !== "none")
    .map((pattern) => {
      const tokens: Readonly<Record<string, ByteString>> = { "%": "%", h: home, u: name, U: String(uid) };
      const path = pattern.replace(/%(.)/g, (all, token: string) => tokens[token] ?? all);
      return path.startsWith("/") ? path : `${home}/${path}`;
    });
}
