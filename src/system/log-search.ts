import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_NOCTTY, O_NONBLOCK, O_RDONLY, S_IFMT, S_IFREG } from "../../ffi/constants.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import { fstat, openAt, readInto, withFd } from "../../ffi/files.ts";
import { describeError } from "../cli/error.ts";
import { findProgram, runProgram } from "./run.ts";

/** A line of a log, as bytes: any user who can write to /dev/log may have written it. */
export interface LogEntry {
  /** "the journal", or the path of a file. */
  source: ByteString;
  /** As in the log; for the journal, in UTC. */
  when: ByteString;
  ident: ByteString;
  pid: number | undefined;
  message: ByteString;
  /** The sender, as the kernel told the journal; undefined for a file. */
  sender: { uid: number; program: ByteString } | undefined;
}

/** The lines that were found, and the logs that could not be read, each as a printable line. */
export interface LogSearch {
  entries: LogEntry[];
  unread: ByteString[];
}

const FILES = ["auth.log", "secure", "syslog", "messages"].flatMap((name) => [
  `/var/log/${name}`,
  `/var/log/${name}.1`,
]);
const CHUNK = 1 << 20;
// A user who saw an error id may write many lines with it; the true one comes first.
const MOST_LINES = 1000;
const MOST_OUTPUT = 1 << 26;
// Lines of syslog are shorter; the end of a longer one is enough.
const LONGEST_LINE = 1 << 16;
const NEWLINE = 10;

/** Calls `found` with each line of an open file that contains `text`, until it returns false. The file may have any size. */
function linesWith(fd: number, text: ByteString, found: (line: ByteString) => boolean): void {
  const buffer = Buffer.alloc(LONGEST_LINE + CHUNK);
  let kept = 0;
  const look = (bytes: Buffer): boolean => {
    for (let at = bytes.indexOf(text, 0, "latin1"); at >= 0; at = bytes.indexOf(text, at, "latin1")) {
      const begin = bytes.lastIndexOf(NEWLINE, at) + 1;
      const end = bytes.indexOf(NEWLINE, at);
      if (!found(fromBytes(bytes, begin, end < 0 ? bytes.length : end))) return false;
      if (end < 0) return true;
      at = end;
    }
    return true;
  };
  for (;;) {
    const count = readInto(fd, buffer.subarray(kept, kept + CHUNK));
    const all = buffer.subarray(0, kept + count);
    const whole = count === 0 ? all.length : all.lastIndexOf(NEWLINE) + 1;
    if (!look(all.subarray(0, whole)) || count === 0) return;
    const rest = all.subarray(Math.max(whole, all.length - LONGEST_LINE));
    buffer.set(rest);
    kept = rest.length;
  }
}

/** Parses a line of a file as rsyslog and others write it: with a time of RFC 3164 or RFC 3339, and a host. */
export function parseLogLine(source: ByteString, line: ByteString): LogEntry | undefined {
  const match =
    /^((?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)|(?:\d{4}-\S+)) (?:\S+ )?([^\s:[]+)(?:\[(\d+)\])?: (.*)$/s.exec(
      line,
    );
  if (match === null) return undefined;
  const [, when = "", ident = "", pid, message = ""] = match;
  return { source, when, ident, message, pid: pid ? Number(pid) : undefined, sender: undefined };
}

function searchFile(path: ByteString, text: ByteString, { entries, unread }: LogSearch): void {
  let fd: number;
  try {
    fd = openAt(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (!isErrno(error, "ENOENT", "ENOTDIR")) unread.push(describeError(error));
    return;
  }
  let count = 0;
  const add = (line: ByteString) => {
    const entry = parseLogLine(path, line);
    if (entry !== undefined) entries.push(entry);
    if (++count < MOST_LINES) return true;
    unread.push(`${path} after ${MOST_LINES} lines with ${text}`);
    return false;
  };
  withFd(fd, () => {
    if ((fstat(fd).mode & S_IFMT) === S_IFREG) linesWith(fd, text, add);
  });
}

/** Parses an entry of `journalctl --output=json`. Each value may be a text, a list of bytes, or missing. */
export function parseJournalLine(line: ByteString): LogEntry | undefined {
  let value: unknown;
  try {
    // It is UTF-8.
    value = JSON.parse(Buffer.from(line, "latin1").toString("utf8"));
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const fields = new Map<string, unknown>(Object.entries(value));
  const text = (name: string): ByteString => {
    const field = fields.get(name);
    if (typeof field === "string") return Buffer.from(field, "utf8").toString("latin1");
    const bytes = Array.isArray(field) ? field.filter((one): one is number => typeof one === "number") : [];
    return String.fromCharCode(...bytes.map((one) => one & 255));
  };
  const micros = Number(text("__REALTIME_TIMESTAMP"));
  const uid = text("_UID");
  return {
    source: "the journal",
    when: Number.isFinite(micros) ? new Date(micros / 1000).toISOString() : "",
    ident: text("SYSLOG_IDENTIFIER"),
    pid: text("_PID") === "" ? undefined : Number(text("_PID")),
    message: text("MESSAGE"),
    sender: uid === "" ? undefined : { uid: Number(uid), program: text("_EXE") },
  };
}

function searchJournal(text: ByteString, { entries, unread }: LogSearch): void {
  const journalctl = findProgram("journalctl");
  if (journalctl === undefined) return;
  const words = ["--output=json", "--quiet", "--no-pager", "--all", `--grep=${text}`];
  const { status, stdout, stderr, cutOff } = runProgram(journalctl, words, {}, MOST_OUTPUT);
  // 1: nothing matches, or there is no journal.
  if (cutOff) unread.push(`the journal after ${MOST_OUTPUT} bytes with ${text}`);
  else if (status > 1) unread.push(`journalctl ended with status ${status}: ${stderr.split("\n")[0] ?? ""}`);
  for (const line of stdout.split("\n").slice(0, MOST_LINES)) {
    const entry = line === "" ? undefined : parseJournalLine(line);
    if (entry !== undefined) entries.push(entry);
  }
}

/**
 * Searches the journal, the usual files of /var/log, and their last rotations, for a text of letters, digits and dashes,
 * as far as this user may read them.
 */
export function searchLogs(text: ByteString): LogSearch {
  if (!/^[A-Za-z0-9-]+$/.test(text)) throw new RangeError("not a text to search logs for");
  const found: LogSearch = { entries: [], unread: [] };
  searchJournal(text, found);
  for (const file of FILES) searchFile(file, text, found);
  return found;
}
