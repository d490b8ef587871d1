import type { ByteString } from "../../ffi/bytes.ts";
import { baseName, directoryOf } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { adviceAt } from "../system/exchange.ts";
import { asideCommand } from "../system/free-name.ts";
import { isHostDirectory } from "../system/host-files.ts";
import { insteadOfCommand, placeAt } from "./trusted.ts";

/** Ends the name of what a remedy has put aside: nothing reads it, and `jailkit apply --prune` does not forget it. */
export const ASIDE = ".aside";

/** The path of a file that may be a link itself, without symbolic links above it. */
export function placeOfName(file: ByteString): ByteString {
  const above = placeAt(file.includes("/") ? directoryOf(file) : ".");
  return `${above === "/" ? "" : above}/${baseName(file)}`;
}

/** The error of something in the place of a file, with the command that puts it aside, unless others could exchange it meanwhile. */
export function putAside(place: ByteString, what: string, exitStatus: number, then = ""): JailkitError {
  const { remedy } = adviceAt(place, asideCommand(place, ASIDE) + then);
  const message = remedy === undefined ? `${what}; ${insteadOfCommand(place)}` : what;
  return new JailkitError("config-unreadable", exitStatus, message, undefined, remedy);
}

/** Why a file that was named cannot be read. What is no config file by its name, such as jails.d or /dev/null, stays where it is. */
export function namedFault(file: ByteString, error: JailkitError): JailkitError {
  if (file.endsWith(".ini")) return error;
  const message = isHostDirectory(file)
    ? `${display(file)} is a directory: name the files in it`
    : error.message;
  return new JailkitError(error.code, 1, message);
}
