import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../../config/load.ts";
import { problemLine } from "../../config/model.ts";
import { readSocketdSection } from "../../config/socketd-section.ts";
import { leadingDecimal, leadingInteger } from "../../config/values.ts";
import { configDirectoryFindings } from "../../jail/fs/safety.ts";
import type { Severity } from "../../system/syslog.ts";
import type { SocketSettings } from "../protocol.ts";

/** The config file of jk_socketd. */
export const CONFIG_FILE: ByteString = `${CONFIG_DIRECTORY}/jk_socketd.ini`;

/** What to tell about the configuration. */
export interface Note {
  severity: Severity;
  text: ByteString;
}

/** The sockets that are to be served, in their order, and what is to be told. */
export interface Wanted {
  sockets: SocketSettings[];
  notes: Note[];
}

/** What the options of one socket say; each as it was written. */
export interface SocketOptions {
  path: ByteString;
  base: ByteString | undefined;
  peak: ByteString | undefined;
  interval: ByteString | undefined;
  type: ByteString | undefined;
  trust: ByteString | undefined;
}

const MICROSECONDS = 1_000_000;
// Those of jk_init's sections and of --socket.
const DEFAULTS = { base: 511, peak: 2048, interval: 10, badInterval: 5 } as const;

/** What stands for the jail in the mark: where the socket is JAIL/dev/log, else the directory that holds it. */
export function jailOf(path: ByteString): ByteString {
  const directory = path.slice(0, path.lastIndexOf("/"));
  return path.endsWith("/dev/log") ? path.slice(0, -"/dev/log".length) : directory;
}

/** Why there can be no socket of that name, or undefined. */
function badPath(path: ByteString): string | undefined {
  if (!path.startsWith("/")) return "is not an absolute path";
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.join("/") === "dev/log") return "is the socket of this machine's own log daemon";
  if (parts.length === 0 || parts.includes("..") || path.endsWith("/")) return "is not the path of a socket";
  return undefined;
}

function number(
  text: ByteString | undefined,
  read: (text: ByteString) => { number: number } | undefined,
  least: number,
  most: number,
  otherwise: number,
): number {
  const value = text === undefined ? undefined : read(text)?.number;
  return value === undefined || value < least || value > most ? otherwise : value;
}

/** The one socket of --socket. Values out of bounds are replaced by defaults, as in jailkit 2.23. */
export function socketOfOptions(options: SocketOptions): Wanted {
  const { path } = options;
  const base = number(options.base, leadingInteger, 10, 1_000_000, DEFAULTS.base);
  const peak = number(options.peak, leadingInteger, 100, 10_000_000, DEFAULTS.peak);
  const absent = options.interval === undefined ? DEFAULTS.interval : DEFAULTS.badInterval;
  const interval = number(options.interval, leadingDecimal, 0.01, 60, absent);
  const notes: Note[] = [];
  if (peak < base) {
    notes.push({
      severity: "notice",
      text: `peak is under base (${base}); ${Math.max(2048, base)} is taken`,
    });
  }
  const bad = badPath(path);
  if (bad !== undefined) {
    return { sockets: [], notes: [...notes, { severity: "crit", text: `${display(path)} ${bad}` }] };
  }
  const settings: SocketSettings = {
    path,
    jail: display(jailOf(path)),
    type: options.type === "stream" ? "stream" : "dgram",
    trust: options.trust === "sender" ? "sender" : "kernel",
    base,
    peak: peak < base ? Math.max(DEFAULTS.peak, base) : peak,
    interval: Math.round(interval * MICROSECONDS),
  };
  return { sockets: [settings], notes };
}

/** The sockets of jk_socketd.ini and its drop-ins. Throws JailkitError, 11 where there is no file at all. */
export function socketsOfConfiguration(file: ByteString = CONFIG_FILE): Wanted {
  const ini = loadConfig(file, { dialect: "c", exitStatus: 11 });
  if (ini === undefined) {
    throw new JailkitError("no-config", 11, `abort, could not parse configfile ${display(file)}`);
  }
  const wanted: Wanted = { sockets: [], notes: [] };
  const tell = (severity: Severity, text: ByteString) => wanted.notes.push({ severity, text });
  for (const problem of ini.problems) {
    if (problem.code !== "duplicate-section") tell("warning", problemLine(problem, display(problem.file)));
  }
  const seen = new Set<ByteString>();
  for (const section of ini.sections) {
    const path = section.name;
    const shown = display(path);
    if (seen.has(path)) {
      tell("notice", `socket ${shown} is mentioned multiple times in config file`);
      continue;
    }
    seen.add(path);
    const bad = badPath(path);
    if (bad !== undefined) {
      tell("crit", `failed to create socket ${shown}: ${bad}`);
      continue;
    }
    const { problems, ...values } = readSocketdSection(section);
    for (const problem of problems) tell("warning", problemLine(problem, display(problem.file)));
    const interval = Math.round(values.interval * MICROSECONDS);
    wanted.sockets.push({ path, jail: display(jailOf(path)), ...values, interval });
  }
  return wanted;
}

/** Throws JailkitError (53) where others than root may change the configuration. */
export function requireSafeConfiguration(directory: ByteString = CONFIG_DIRECTORY): void {
  const [finding] = configDirectoryFindings(directory);
  if (finding === undefined) return;
  const message = `abort, ${finding.message}; mend it with: ${finding.remedy}`;
  throw new JailkitError("config-unsafe", 53, message);
}

/** As jailkit 2.23 shows limits: `[511:2048]/10.000000`. */
export function showLimits({ base, peak, interval }: SocketSettings): string {
  return `[${base}:${peak}]/${(interval / MICROSECONDS).toFixed(6)}`;
}
