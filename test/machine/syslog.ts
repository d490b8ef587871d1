import type { ByteString } from "../../ffi/bytes.ts";
import { readFile } from "../../ffi/files.ts";
import type { BareMachine } from "./bare.ts";
import { helperProgram } from "./helper.ts";

/** A line of RFC 3164 as it came in, taken apart; control bytes are shown as `#` and three octal digits. */
export interface LogLine {
  raw: ByteString;
  /** As in syslog(3): 4 is auth, 10 authpriv, 3 daemon, 1 user. */
  facility: number;
  /** 3 is err, 4 warning, 5 notice, 6 info, 7 debug. */
  severity: number;
  ident: ByteString;
  pid: number | undefined;
  message: ByteString;
}

/** Which daemon: "rsyslogd" if it is installed, else a recorder that writes down what arrives. */
export interface SyslogOptions {
  daemon?: "rsyslogd" | "recorder";
  /** Sockets besides /dev/log (rsyslogd alone). */
  sockets?: readonly ByteString[];
}

/** A syslog of the machine and what it has got. */
export interface Syslog {
  readonly daemon: "rsyslogd" | "recorder";
  /** Every line of a program that has ended before this call (a marker is sent after them and waited for). */
  lines(): Promise<LogLine[]>;
  /** The first line for which `predicate` holds, come or to come; rejects after `deadline` ms (a minute). */
  waitForLog(predicate: (line: LogLine) => boolean, deadline?: number): Promise<LogLine>;
  /** Forgets what came so far. */
  clear(): Promise<void>;
}

const log = "/run/machine.log";

/** Starts a syslog on the machine's /dev/log and returns when it listens. */
export async function startSyslog(machine: BareMachine, options: SyslogOptions = {}): Promise<Syslog> {
  const daemon = options.daemon ?? (machine.exists("/usr/sbin/rsyslogd") ? "rsyslogd" : "recorder");
  const source = daemon === "rsyslogd" ? rsyslogd(machine, options) : recorder(machine);
  const ready = daemon === "recorder" ? "ready\n" : " start\n";
  await source.until(({ stdout }) => stdout.includes(ready) || undefined);
  let markers = 0;
  let forgotten = 0;

  const parsed = (text: ByteString) =>
    text
      .slice(0, text.lastIndexOf("\n") + 1)
      .split("\n")
      .flatMap((line) => parseLine(line) ?? []);

  async function lines(): Promise<LogLine[]> {
    const marker = `marker ${++markers} end`;
    machine.must(["logger", "-p", "user.debug", "-t", "machine-log", marker]);
    const all = await source.until(({ stdout }) => (stdout.includes(marker) ? parsed(stdout) : undefined));
    return all.slice(forgotten).filter((line) => line.ident !== "machine-log" && line.ident !== "rsyslogd");
  }

  return {
    daemon,
    lines,
    waitForLog: (predicate, deadline) =>
      source.until(({ stdout }) => parsed(stdout).slice(forgotten).find(predicate), deadline),
    async clear() {
      await lines();
      forgotten = parsed(source.stdout).length;
    },
  };
}

function rsyslogd(machine: BareMachine, { sockets = [] }: SyslogOptions) {
  machine.write(log, "");
  machine.write(
    "/run/rsyslog.conf",
    [
      'module(load="imuxsock" SysSock.RateLimit.Interval="0")',
      ...sockets.map((path) => `input(type="imuxsock" Socket="${path}" CreatePath="on")`),
      'template(name="raw" type="string" string="%rawmsg%\\n")',
      `action(type="omfile" file="${log}" template="raw")`,
      "",
    ].join("\n"),
  );
  // In the foreground: on its way to the background it sleeps for a second. Its first line shows that it is ready.
  machine.start(["/usr/sbin/rsyslogd", "-n", "-f", "/run/rsyslog.conf", "-i", "/run/rsyslogd.pid"]);
  return machine.start(["tail", "-c", "+1", "-f", log]);
}

function recorder(machine: BareMachine) {
  machine.write("/run/recorder", readFile(helperProgram(), 1 << 24), { mode: 0o755 });
  return machine.start(["/run/recorder", "record", "/dev/log"]);
}

const format = /^<(\d+)>(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )?(.*?)(?:\[(\d+)\])?: ?(.*)$/s;

function parseLine(raw: ByteString): LogLine | undefined {
  const match = format.exec(raw);
  if (match === null) return undefined;
  const [, priority, ident = "", pid, message = ""] = match;
  return {
    raw,
    facility: Number(priority) >> 3,
    severity: Number(priority) & 7,
    ident,
    pid: pid === undefined ? undefined : Number(pid),
    message,
  };
}
