import type { ByteString } from "../../ffi/bytes.ts";

/**
 * Whether a program that hands its arguments on to another is asked about itself: `--help` or `--version` is its one
 * argument, and it is not started as a login shell, with a dash in front of its name.
 */
export function askedOfItself([name = "", word, more]: readonly ByteString[]):
  | "help"
  | "version"
  | undefined {
  if (word === undefined || more !== undefined || name.startsWith("-")) return undefined;
  if (word === "--help") return "help";
  return word === "--version" ? "version" : undefined;
}
