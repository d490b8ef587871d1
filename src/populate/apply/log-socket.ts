import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { sectionsAround } from "../../config/known-sections.ts";
import { CONFIG_DIRECTORY } from "../../config/load.ts";
import type { IniSection } from "../../config/model.ts";
import { dropInName, dropInText } from "../../config/write.ts";
import { putDropIn } from "./drop-in.ts";

const DROP_INS = "/jk_socketd.d";

const COMMENT = "The log socket of the jail, from need_logsocket in jk_init.ini.";

/** How much a jail may log; see jk_socketd.ini. */
export type LogLimits = Readonly<Record<"base" | "peak" | "interval", number>>;

/** The limits of a new jail, as in jailkit 2. */
export const USUAL_LIMITS: LogLimits = { base: 512, peak: 2048, interval: 10 };

/** The drop-in for a jail's log socket: its path below the configuration directory, and its text. */
export function logSocketDropIn(jail: ByteString, limits: LogLimits = USUAL_LIMITS) {
  return {
    path: `${DROP_INS}/${dropInName(jail)}`,
    text: dropInText({ name: `${jail}/dev/log`, values: limits }, "c", COMMENT),
  };
}

/**
 * The section of jk_socketd.ini for the socket JAIL/dev/log, and the path of the drop-in that jk_init writes for it; undefined
 * without a section. Throws JailkitError if the configuration cannot be read or is not safe.
 */
export function logSocketSection(
  jail: ByteString,
  directory: ByteString = CONFIG_DIRECTORY,
): { section: IniSection; path: ByteString } | undefined {
  const path = `${DROP_INS}/${dropInName(jail)}`;
  const [section] = sectionsAround(directory + path).named(`${jail}/dev/log`);
  return section && { section, path };
}

/** Throws JailkitError for a jail whose log socket no section can name. */
export function requireSocketName(jail: ByteString): void {
  if (!/[\n\r\]]/.test(jail)) return;
  const message = `${display(jail)}: jk_socketd.ini cannot name a jail with ']' in its path`;
  throw new JailkitError("log-socket", 1, message);
}

/**
 * Creates a drop-in of `directory`/jk_socketd.ini, so that jk_socketd serves JAIL/dev/log; the file of the administrator is
 * never changed. Returns the path of the drop-in, or undefined if the socket is configured already. Throws JailkitError
 * if the configuration cannot be read or is not safe.
 */
export function registerLogSocket(
  jail: ByteString,
  directory: ByteString = CONFIG_DIRECTORY,
  limits: LogLimits = USUAL_LIMITS,
): ByteString | undefined {
  requireSocketName(jail);
  if (logSocketSection(jail, directory) !== undefined) return undefined;
  const { path, text } = logSocketDropIn(jail, limits);
  putDropIn(directory, path, text, { replace: true });
  return directory + path;
}
