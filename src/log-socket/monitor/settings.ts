import type { ByteString } from "../../../ffi/bytes.ts";
import { parentOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { withAdvice } from "../../cli/remedy.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../../config/load.ts";
import { problemLine } from "../../config/model.ts";
import { readSocketdSection } from "../../config/schemas/socketd.ts";
import { leadingDecimal, leadingInteger } from "../../config/values.ts";
import { configDirectoryFindings } from "../../jail/fs/safety.ts";
import type { Severity } from "../../system/syslog.ts";
import type { SocketSettings } from "../protocol.ts";

const CONFIG_FILE = `${CONFIG_DIRECTORY}/jk_socketd.ini`;

/** The sockets to serve, in their order, and notes for the log. */
export interface WantedSockets {
  sockets: SocketSettings[];
  notes: { severity: Severity; text: ByteString }[];
}

/** The options of one socket, as they were written. */
export interface SocketOptions
  extends Record<"base" | "peak" | "interval" | "type" | "trust", ByteString | undefined> {
  path: ByteString;
}

const MICROSECONDS = 1_000_000;
// For --socket; sections of jk_init.ini have the same.
const DEFAULTS = { base: 511, peak: 2048, interval: 10, badInterval: 5 } as const;

/** The jail's name in the mark: JAIL for the socket JAIL/dev/log, otherwise the directory of the socket. */
export const jailOf = (path: ByteString): ByteString =>
  path.endsWith("/dev/log") ? path.slice(0, -"/dev/log".length) : parentOf(path);

/** Why a socket cannot have this path, or undefined. */
function badPath(path: ByteString): string | undefined {
  if (!path.startsWith("/")) return "is not an absolute path";
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.join("/") === "dev/log") return "is the socket of the host's own log daemon";
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

/** The socket of --socket. Defaults replace values out of bounds, as in jailkit 2.23. */
export function socketOfOptions(options: SocketOptions): WantedSockets {
  const { path } = options;
  const base = number(options.base, leadingInteger, 10, 1_000_000, DEFAULTS.base);
  const peak = number(options.peak, leadingInteger, 100, 10_000_000, DEFAULTS.peak);
  const absent = options.interval === undefined ? DEFAULTS.interval : DEFAULTS.badInterval;
  const interval = number(options.interval, leadingDecimal, 0.01, 60, absent);
  const usable = peak < base ? Math.max(DEFAULTS.peak, base) : peak;
  const notes: WantedSockets["notes"] = [];
  if (peak < base) notes.push({ severity: "notice", text: `peak is under base (${base}); using ${usable}` });
  const bad = badPath(path);
  if (bad !== undefined) notes.push({ severity: "crit", text: `${display(path)} ${bad}` });
  const settings: SocketSettings = {
    path,
    jail: display(jailOf(path)),
    type: options.type === "stream" ? "stream" : "dgram",
    trust: options.trust === "sender" ? "sender" : "kernel",
    base,
    peak: usable,
    interval: Math.round(interval * MICROSECONDS),
  };
  return { sockets: bad === undefined ? [settings] : [], notes };
}

/** The sockets of jk_socketd.ini and its drop-ins. Throws JailkitError, with status 11 if there is no file. */
export function socketsOfConfiguration(): WantedSockets {
  const ini = loadConfig(CONFIG_FILE, { dialect: "c", exitStatus: 11 });
  if (ini === undefined) {
    throw new JailkitError("no-config", 11, `abort, could not parse configfile ${CONFIG_FILE}`);
  }
  const wanted: WantedSockets = { sockets: [], notes: [] };
  const note = (severity: Severity, text: ByteString) => wanted.notes.push({ severity, text });
  for (const problem of ini.problems) {
    if (problem.code !== "duplicate-section") note("warning", problemLine(problem, display(problem.file)));
  }
  const seen = new Set<ByteString>();
  for (const section of ini.sections) {
    const path = section.name;
    if (seen.has(path)) {
      note("notice", `socket ${display(path)} is mentioned multiple times in config file`);
      continue;
    }
    seen.add(path);
    const bad = badPath(path);
    if (bad !== undefined) {
      note("crit", `failed to create socket ${display(path)}: ${bad}`);
      continue;
    }
    const { problems, ...values } = readSocketdSection(section);
    for (const problem of problems) note("warning", problemLine(problem, display(problem.file)));
    const interval = Math.round(values.interval * MICROSECONDS);
    wanted.sockets.push({ path, jail: display(jailOf(path)), ...values, interval });
  }
  return wanted;
}

/** Throws JailkitError (53) if users other than root may change the configuration. */
export function requireSafeConfiguration(): void {
  const [finding] = configDirectoryFindings(CONFIG_DIRECTORY);
  if (finding === undefined) return;
  const message = `abort, ${withAdvice(finding.message, finding.advice)}`;
  throw new JailkitError("config-unsafe", 53, message);
}

/** Limits as jailkit 2.23 shows them: `[511:2048]/10.000000`. */
export function showLimits({ base, peak, interval }: SocketSettings): string {
  return `[${base}:${peak}]/${(interval / MICROSECONDS).toFixed(6)}`;
}
