import type { ByteString } from "../../ffi/bytes.ts";
import { variable } from "../../ffi/guard.ts";
import { UsageError } from "./error.ts";
import { stdoutIsTerminal } from "./output.ts";

/** The tone of a word: right, worth a look, wrong. */
export type Tone = "good" | "caution" | "bad";

/** Colours a word by its tone, or leaves it as it is. */
export type Paint = (tone: Tone, word: ByteString) => ByteString;

/** `--color` */
export const COLOR = {
  value: "WHEN",
  description:
    "when to use colours: auto (on a terminal, unless NO_COLOR is set or TERM is dumb), always or never",
} as const;

// The colours of ECMA-48 that every colour terminal has, and their end.
const START: Readonly<Record<Tone, string>> = { good: "\x1b[32m", caution: "\x1b[33m", bad: "\x1b[31m" };
const END = "\x1b[0m";

/** Without colours. */
export const plain: Paint = (_, word) => word;

/** With colours. */
export const coloured: Paint = (tone, word) => `${START[tone]}${word}${END}`;

/** Whether `auto` means colours, by the variables NO_COLOR and TERM. An empty NO_COLOR counts as none (no-color.org). */
export function wantsColour(terminal: boolean, noColor: ByteString = "", term: ByteString = ""): boolean {
  return terminal && noColor === "" && term !== "" && term !== "dumb";
}

/**
 * The paint for standard output that `--color=WHEN` asks for; undefined stands for auto. Throws UsageError for
 * any other word.
 */
export function paintFor(when: ByteString | undefined, exitStatus: number): Paint {
  if (when === "always") return coloured;
  if (when === "never") return plain;
  if (when === undefined || when === "auto") return coloursWanted() ? coloured : plain;
  throw new UsageError("--color is one of auto, always, never", exitStatus);
}

/** Whether standard output gets colours by default. */
export function coloursWanted(): boolean {
  return wantsColour(stdoutIsTerminal(), variable("NO_COLOR"), variable("TERM"));
}
