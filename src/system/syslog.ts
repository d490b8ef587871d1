import { type ByteString, cString, toBytes } from "../../ffi/bytes.ts";
import { libc } from "../../ffi/libc.ts";
import { displayAgain } from "../cli/display.ts";

/** RFC 3164, section 4.1.1 */
type Facility = keyof typeof FACILITIES;
export type Severity = keyof typeof SEVERITIES;

const FACILITIES = { user: 1, daemon: 3, auth: 4, authpriv: 10 } as const;
const SEVERITIES = { emerg: 0, alert: 1, crit: 2, err: 3, warning: 4, notice: 5, info: 6, debug: 7 } as const;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const CLOCK_REALTIME = 0;
// glibc's syslog(3) and most daemons accept more, but may cut a longer line anywhere.
const LONGEST = 8000;

/** A connection to the log daemon. */
export interface Syslog {
  /** Writes one line; control bytes are escaped, overlong lines cut. Never throws: a missing daemon loses the line. */
  write(severity: Severity, message: ByteString): void;
  /** The same connection under another name. */
  named(ident: string): Syslog;
}

/**
 * Connects to the log daemon at /dev/log at once (datagram, else stream), so that lines still reach the host after a
 * chroot. Lines are those of RFC 3164 as glibc writes them: `<PRI>Mmm dd hh:mm:ss ident[pid]: text`.
 */
export function openSyslog(ident: string, facility: Facility, socketPath: ByteString = "/dev/log"): Syslog {
  let fd = connectTo(socketPath, SOCK_DGRAM);
  const stream = fd < 0;
  if (stream) fd = connectTo(socketPath, SOCK_STREAM);
  // Reads the host's time zone now: after a chroot it would be the jail's.
  timestamp();
  const named = (name: string): Syslog => ({
    named,
    write(severity, message) {
      if (fd < 0) return;
      const line = syslogLine(name, facility, severity, message);
      // On a stream socket, a NUL ends each message.
      const bytes = toBytes(stream ? `${line}\0` : line);
      // SAFETY: exactly the bytes are read.
      libc.send(fd, bytes, bytes.length, MSG_NOSIGNAL);
    },
  });
  return named(ident);
}

/**
 * A line as openSyslog sends it: control bytes are escaped, an overlong message is cut. Call it once before a chroot, to read
 * the host's time zone.
 */
export function syslogLine(
  ident: string,
  facility: Facility,
  severity: Severity,
  message: ByteString,
): ByteString {
  const priority = FACILITIES[facility] * 8 + SEVERITIES[severity];
  const text = displayAgain(message).slice(0, LONGEST);
  return `<${priority}>${timestamp()} ${ident}[${libc.getpid()}]: ${text}`;
}

// struct tm begins with seconds, minutes, hours, day of the month, month, as ints.
const brokenDown = new Int32Array(16);
const seconds = new BigInt64Array(2);

/** Local time by localtime_r(3), which reads /etc/localtime when it is first called. */
function timestamp(): string {
  // SAFETY: a struct timespec, which begins with a time_t, and an array larger than struct tm. This module holds them.
  libc.clock_gettime(CLOCK_REALTIME, seconds);
  libc.localtime_r(seconds, brokenDown);
  // Not by destructuring: the first iterator over a typed array costs a login a tenth of a millisecond.
  const part = (index: number) => brokenDown[index] ?? 0;
  const two = (value: number, fill: string) => `${value < 10 ? fill : ""}${value}`;
  const time = `${two(part(2), "0")}:${two(part(1), "0")}:${two(part(0), "0")}`;
  return `${MONTHS[part(4)]} ${two(part(3), " ")} ${time}`;
}

function connectTo(path: ByteString, type: number): number {
  // sockaddr_un: two bytes of family, then the path of at most 107 bytes and its NUL.
  if (path.length > 107) return -1;
  const address = new Uint8Array(110);
  address[0] = AF_UNIX;
  address.set(cString(path), 2);
  const fd = libc.socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  // SAFETY: the address has 110 bytes.
  if (libc.connect(fd, address, 110) === 0) return fd;
  libc.close(fd);
  return -1;
}
