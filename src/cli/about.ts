import type { ByteString } from "../../ffi/bytes.ts";
import { type HelpSource, renderHelp } from "./help.ts";
import { print } from "./output.ts";
import { VERSION } from "./version.ts";

/** Prints the help or the version of a program. */
export function printAbout(help: HelpSource, asked: "help" | "version"): void {
  print(asked === "help" ? renderHelp(help) : `${help.name} (jailkit) ${VERSION}\n`);
}

/**
 * Whether a program that passes its arguments to another is asked about itself: `--help` or `--version` is its only
 * argument, and it is not a login shell, which has a dash in front of its name.
 */
export function askedOfItself(argv: readonly ByteString[]): "help" | "version" | undefined {
  if (argv.length !== 2 || argv[0]?.startsWith("-")) return undefined;
  if (argv[1] === "--help") return "help";
  return argv[1] === "--version" ? "version" : undefined;
}
