import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { isHostDirectory } from "../system/host-files.ts";

/** What --config-dir leads to. */
const NAMES = ["jails.ini", "jails.d"] as const;

/** The absolute path of --config-dir. A file that is missing there declares nothing; a misspelt directory must not: throws JailkitError. */
export function requireDeclarations(configDir: string): ByteString {
  const unreadable = (why: string) =>
    new JailkitError("config-unreadable", 1, `${display(configDir)}: ${why}`);
  if (!isHostDirectory(configDir)) throw unreadable("no such directory");
  if (NAMES.every((name) => statIfPresent(AT_FDCWD, `${configDir}/${name}`) === undefined))
    throw unreadable(`has neither ${NAMES.join(" nor ")}`);
  return absolutePath(configDir);
}
