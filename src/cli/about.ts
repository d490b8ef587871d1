import type { ByteString } from "../../ffi/bytes.ts";
import { type HelpSource, renderHelp } from "./help.ts";
import { print } from "./output.ts";
import { VERSION } from "./version.ts";

/** What `--version` prints. */
export function versionLine(name: ByteString): ByteString {
  return `${name} (jailkit) ${VERSION}`;
}

/** Prints the help or the version of a program. */
export function printAbout(help: HelpSource, asked: "help" | "version"): void {
  print(asked === "help" ? renderHelp(help) : `${versionLine(help.name)}\n`);
}
