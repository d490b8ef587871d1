import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { baseName, directoryOf } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { operands } from "../cli/shell-word.ts";
import { adviceAt } from "../system/exchange.ts";
import { asideCommand, freeName } from "../system/free-name.ts";
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
  const { remedy } = adviceAt(place, `${asideCommand(place, ASIDE)}${then}`);
  const message = remedy === undefined ? `${what}; ${insteadOfCommand(place)}` : what;
  return new JailkitError("config-unreadable", exitStatus, message, undefined, remedy);
}

/**
 * The error of a symbolic link, whose remedy keeps what it leads to, if that is `wanted`, with owner and mode: what others could
 * write is refused there, too. Nothing is copied that others could exchange.
 */
export function linkAside(file: ByteString, what: string, exitStatus: number, wanted: number): JailkitError {
  const place = placeOfName(file);
  const end = attempt(() => statIfPresent(C.AT_FDCWD, file, true));
  if (end === undefined || (end.mode & C.S_IFMT) !== wanted) return putAside(place, what, exitStatus);
  const aside = freeName(place, ASIDE);
  const copy =
    wanted === C.S_IFDIR
      ? (`cp -pR ${operands(`${aside}/.`, place)}` as const)
      : (`cp -pT ${operands(aside, place)}` as const);
  return adviceAt(placeAt(file), copy).remedy === undefined
    ? putAside(place, `${what}; what it leads to does not count any more after the remedy`, exitStatus)
    : putAside(place, what, exitStatus, ` && ${copy}`);
}

/** Why a file that was named cannot be read. What is no config file by its name, such as jails.d or /dev/null, stays where it is. */
export function namedFault(file: ByteString, error: JailkitError): JailkitError {
  if (file.endsWith(".ini")) return error;
  const stat = attempt(() => statIfPresent(C.AT_FDCWD, file, true));
  const isOther = stat !== undefined && (stat.mode & C.S_IFMT) !== C.S_IFREG;
  const message = isHostDirectory(file)
    ? `${display(file)} is a directory: name the files in it`
    : isOther
      ? `${display(file)} is no regular file, as FILE must be: write it into one that is root's, and name that`
      : error.message;
  return new JailkitError(error.code, 1, message);
}
