import type { ByteString } from "../../ffi/bytes.ts";

/** One end of a connection. */
interface Endpoint {
  ip: string;
  port: number;
}

/** The two ends of a connection. */
export interface Connection {
  client: Endpoint;
  server: Endpoint;
}

/** Whether a text has 1 to `most` characters, all of them among `characters`. */
function consistsOf(text: string, characters: string, most: number): boolean {
  if (text === "" || text.length > most) return false;
  for (let at = 0; at < text.length; at++) if (!characters.includes(text.charAt(at))) return false;
  return true;
}

const DIGITS = "0123456789";

/** A decimal number without leading zeros, as sshd writes it; undefined if it is greater than `most`. */
function numberUpTo(text: string, most: number): number | undefined {
  if (!consistsOf(text, DIGITS, 5) || (text.length > 1 && text.startsWith("0"))) return undefined;
  const number = Number(text);
  return number <= most ? number : undefined;
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  if (parts.length !== 4) return false;
  for (const part of parts) if (numberUpTo(part, 255) === undefined) return false;
  return true;
}

/** The number of groups of four hexadecimal digits in a part of an IPv6 address; undefined if it has something else. */
function groupsIn(text: string, mayEndInIpv4: boolean): number | undefined {
  if (text === "") return 0;
  const groups = text.split(":");
  const last = groups[groups.length - 1] ?? "";
  const isMixed = mayEndInIpv4 && isIpv4(last);
  if (isMixed) groups.pop();
  for (const group of groups) if (!consistsOf(group, `${DIGITS}abcdefABCDEF`, 4)) return undefined;
  return groups.length + (isMixed ? 2 : 0);
}

/** RFC 4291, section 2.2. */
function isIpv6(text: string): boolean {
  const [first = "", second, more] = text.split("::");
  if (second === undefined) return groupsIn(first, true) === 8;
  if (more !== undefined) return false;
  const [before, after] = [groupsIn(first, false), groupsIn(second, true)];
  return before !== undefined && after !== undefined && before + after < 8;
}

function endpoint(address: ByteString, port: ByteString): Endpoint | undefined {
  // A link-local address has the name of an interface after a percent sign, which is no part of an address in a log.
  const percent = address.indexOf("%");
  const ip = percent < 0 ? address : address.slice(0, percent);
  const number = numberUpTo(port, 65535);
  return number !== undefined && (isIpv4(ip) || isIpv6(ip)) ? { ip, port: number } : undefined;
}

/**
 * The two ends of the connection in a variable SSH_CONNECTION: `IP PORT IP PORT`, the client's first. Undefined if it is
 * missing or anything else: whoever starts a program by hand may set it to any text.
 */
export function readSshConnection(value: ByteString | undefined): Connection | undefined {
  if (value === undefined || value.length > 200) return undefined;
  const words = value.split(" ");
  const [clientIp = "", clientPort = "", serverIp = "", serverPort = ""] = words;
  const client = endpoint(clientIp, clientPort);
  const server = endpoint(serverIp, serverPort);
  return words.length === 4 && client && server ? { client, server } : undefined;
}
