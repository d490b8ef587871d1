import { type ByteString, trim } from "../../../ffi/bytes.ts";
import type { PasswdEntry } from "../accounts.ts";

export const CONFIGURATION = "/etc/ssh/sshd_config";

/** The settings of sshd for a connection: keyword in lower case -> its values, one per line of sshd -T. */
export type SshdSettings = ReadonlyMap<string, readonly ByteString[]>;

/** Parses the output of sshd -T: a keyword, a blank, its value; a keyword may be repeated. */
export function parseSshdSettings(text: ByteString): SshdSettings {
  const lines = text.split("\n").flatMap((line) => {
    const blank = line.indexOf(" ");
    return blank <= 0 ? [] : [{ keyword: line.slice(0, blank).toLowerCase(), value: line.slice(blank + 1) }];
  });
  const byKeyword = Map.groupBy(lines, ({ keyword }) => keyword);
  return new Map([...byKeyword].map(([keyword, all]) => [keyword, all.map(({ value }) => trim(value))]));
}

/** The first value of a keyword, which is the one that sshd uses; "" if there is none. */
export function firstOf(settings: SshdSettings, keyword: string): ByteString {
  return settings.get(keyword)?.[0] ?? "";
}

/** True if the value of a keyword is `yes`. */
export const isOn = (settings: SshdSettings, keyword: string): boolean =>
  firstOf(settings, keyword) === "yes";

/** The items of a value that is a list with commas. */
export function listOf(settings: SshdSettings, keyword: string): ByteString[] {
  return firstOf(settings, keyword)
    .split(",")
    .filter((one) => one !== "");
}

/** The service of PAM that opens sessions; undefined if sshd does not use PAM. */
export function pamService(settings: SshdSettings): ByteString | undefined {
  return isOn(settings, "usepam") ? firstOf(settings, "pamservicename") || "sshd" : undefined;
}

/** True if a keyword has a value other than `none`. */
export function isSet(settings: SshdSettings, keyword: string): boolean {
  return !["", "none"].includes(firstOf(settings, keyword));
}

/** The words of all lines of a keyword. */
export function wordsOf(settings: SshdSettings, keyword: string): ByteString[] {
  return (settings.get(keyword) ?? []).flatMap((line) =>
    line.split(/[\t-\r ]+/).filter((word) => word !== ""),
  );
}

/** The addresses and ports that sshd listens on; no address means any (ListenAddress). Pure. */
export function listens(settings: SshdSettings): { addresses: ByteString[]; ports: ByteString[] } {
  const all = (settings.get("listenaddress") ?? []).flatMap((entry) => {
    const [, wide, narrow, port] = /^(?:\[(.*)\]|([^:]*)):(\d+)/.exec(entry) ?? [];
    return port === undefined ? [] : [{ address: wide ?? narrow ?? "", port }];
  });
  const addresses = new Set(all.map(({ address }) => address));
  const isAny = addresses.has("0.0.0.0") || addresses.has("::");
  return { addresses: isAny ? [] : [...addresses], ports: [...new Set(all.map(({ port }) => port))] };
}

/** The sftp server of the line `Subsystem sftp`; undefined if there is none. */
export function sftpSubsystem(settings: SshdSettings): ByteString | undefined {
  const line = settings.get("subsystem")?.find((one) => /^sftp[\t-\r ]/.test(one));
  return line?.slice("sftp".length).replace(/^[\t-\r ]+/, "");
}

/** Expands the tokens of sshd_config(5) for an account in a value. Pure. */
export function withTokens(
  value: ByteString,
  { name, uid, home }: Pick<PasswdEntry, "name" | "uid" | "home">,
): ByteString {
  const tokens: Readonly<Record<string, ByteString>> = { "%": "%", h: home, u: name, U: String(uid) };
  return value.replace(/%(.)/g, (all, token: string) => tokens[token] ?? all);
}

/** Matches a pattern of ssh_config(5), in linear or quadratic time, since users write patterns too. Pure. */
export function matchesPattern(text: ByteString, pattern: ByteString): boolean {
  let at = 0;
  let star = -1;
  let from = 0;
  for (let here = 0; here < text.length; ) {
    const char = pattern.charAt(at);
    if (char === "*") {
      star = at++;
      from = here;
    } else if (at < pattern.length && (char === "?" || char === text.charAt(here))) {
      at++;
      here++;
    } else if (star >= 0) {
      at = star + 1;
      here = ++from;
    } else return false;
  }
  while (pattern.charAt(at) === "*") at++;
  return at === pattern.length;
}
