import type { ByteString } from "../../../ffi/bytes.ts";
import { CONFIG_DIRECTORY } from "../../config/load.ts";
import { requireReplaceable } from "../../jail/fs/writable.ts";
import { requireLiveLines } from "./live-lines.ts";
import { requireLogSocketPlace } from "./log-socket.ts";
import { requireProcLine } from "./proc.ts";

const FSTAB = "/etc/fstab";

/**
 * Throws the JailkitError or SystemError with which the section for the log socket of a jail would not come. The code that adds it does not ask
 * whether there can be such a socket: it may be taken out again.
 */
export function requireLogSocket(jail: ByteString): void {
  const { path, sections } = requireLogSocketPlace(jail);
  if (sections.length === 0) requireReplaceable(CONFIG_DIRECTORY + path);
}

/** The same of the line of fstab(5) for proc. */
export function requireProc(jail: ByteString): void {
  if (requireProcLine(jail)) requireReplaceable(FSTAB);
}

/** The same of lines of fstab(5) for directories of the machine that come or go. */
export function requireShown(jail: ByteString, lines: Parameters<typeof requireLiveLines>[1]): void {
  if (requireLiveLines(jail, lines)) requireReplaceable(FSTAB);
}
