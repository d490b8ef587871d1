import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { sectionsAround } from "../../config/known-sections.ts";
import { CONFIG_DIRECTORY } from "../../config/load.ts";
import type { IniSection } from "../../config/model.ts";
import { dropInName, dropInText } from "../../config/write.ts";
import { freeName, isOnHost } from "../../system/free-name.ts";
import { putDropIn } from "./drop-in.ts";

const DROP_INS = "/jk_socketd.d";

const COMMENT = "The log socket of the jail, from need_logsocket in jk_init.ini.";

/** How much a jail may log; see jk_socketd.ini. */
export type LogLimits = Readonly<Record<"base" | "peak" | "interval", number>>;

/** The limits of a new jail, as in jailkit 2. */
export const USUAL_LIMITS: LogLimits = { base: 512, peak: 2048, interval: 10 };

/** The path of the drop-in for a jail's log socket, below the configuration directory. */
export const logSocketPath = (jail: ByteString): ByteString => `${DROP_INS}/${dropInName(jail)}`;

/** The same, and its text. Throws JailkitError "config-write" if no section can name the socket. */
export function logSocketDropIn(jail: ByteString, limits: LogLimits = USUAL_LIMITS) {
  return {
    path: logSocketPath(jail),
    text: dropInText({ name: `${jail}/dev/log`, values: limits }, "c", COMMENT),
  };
}

/** What jk_socketd.ini and its drop-ins have for the socket JAIL/dev/log. */
interface LogSocketSections {
  /** The path of the drop-in that jk_init writes for it, below the configuration directory. */
  readonly path: ByteString;
  /** All sections for it; the first counts. */
  readonly sections: readonly IniSection[];
  /** The drop-in is there, and for this socket alone. */
  readonly isOurs: boolean;
  /** A section of the drop-in that is for something else: then it is not ours. */
  readonly foreign: IniSection | undefined;
}

/** Looks them up. Throws JailkitError if the configuration cannot be read or is not safe. */
export function logSocketSections(
  jail: ByteString,
  directory: ByteString = CONFIG_DIRECTORY,
): LogSocketSections {
  const path = logSocketPath(jail);
  const name = `${jail}/dev/log`;
  const { own, named } = sectionsAround(directory + path);
  const foreign = own.find((section) => section.name !== name);
  return { path, sections: named(name), isOurs: own.length > 0 && foreign === undefined, foreign };
}

/**
 * Throws JailkitError if registerLogSocket cannot write a section: none can name the socket, or its drop-in has another one,
 * or the configuration cannot be read or is not safe. Returns what there is.
 */
export function requireLogSocketPlace(
  jail: ByteString,
  directory: ByteString = CONFIG_DIRECTORY,
): LogSocketSections {
  if (/[\n\r\]]/.test(jail)) {
    const message = `${display(jail)}: jk_socketd.ini cannot name a jail with ']' in its path`;
    throw new JailkitError("log-socket", 1, message);
  }
  const found = logSocketSections(jail, directory);
  const { path, sections, foreign } = found;
  if (sections.length > 0 || foreign === undefined) return found;
  const file = directory + path;
  const to = freeName(file.replace(/\.ini$/, ""), ".others", isOnHost, ".ini");
  const remedy: Remedy = `mv -nT ${shellWord(file)} ${shellWord(to)}`;
  const message = `${display(file)}: has a section [${display(foreign.name)}], and is not replaced; move it first: ${remedy}`;
  throw new JailkitError("log-socket", 1, message, undefined, remedy);
}

/**
 * Creates a drop-in of `directory`/jk_socketd.ini, so that jk_socketd serves JAIL/dev/log; the file of the administrator is
 * never changed. Returns the path of the drop-in, or undefined if the socket is configured already. Throws as
 * requireLogSocketPlace does.
 */
export function registerLogSocket(
  jail: ByteString,
  directory: ByteString = CONFIG_DIRECTORY,
  limits: LogLimits = USUAL_LIMITS,
): ByteString | undefined {
  const { sections } = requireLogSocketPlace(jail, directory);
  if (sections.length > 0) return undefined;
  const { path, text } = logSocketDropIn(jail, limits);
  putDropIn(directory, path, text, { replace: true });
  return directory + path;
}
