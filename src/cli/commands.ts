import type { ByteString } from "../../ffi/bytes.ts";
import { coloursWanted } from "./colour.ts";
import { quoted } from "./display.ts";
import { print, printError, printLine } from "./output.ts";
import { didYouMean } from "./suggest.ts";
import { VERSION } from "./version.ts";

/** A command of a program. Its module is loaded when it runs, and not for the list of commands. */
export interface LazyCommand {
  readonly summary: string;
  /** Runs it with its arguments; returns the exit status. */
  readonly run: (args: readonly ByteString[]) => Promise<number>;
}

/** The exit status where no command was given, or an unknown one. */
const NO_COMMAND = 2;

/** Runs the command that the first argument names; returns the exit status. */
export async function runCommands(
  name: string,
  summary: string,
  commands: Readonly<Record<string, LazyCommand>>,
  args: readonly ByteString[],
): Promise<number> {
  const [command, ...rest] = args;
  if (command === undefined || command === "-h" || command === "--help" || command === "help") {
    await printUsage(name, summary, commands);
    return command === undefined ? NO_COMMAND : 0;
  }
  if (command === "--version") {
    printLine(`${name} ${VERSION}`);
    return 0;
  }
  const found = Object.hasOwn(commands, command) ? commands[command] : undefined;
  if (found !== undefined) return found.run(rest);
  const hint = didYouMean(command, Object.keys(commands));
  const lists = `${hint === "" ? ";" : ""} '${name} --help' lists them`;
  printError(`${name}: there is no command ${quoted(command)}${hint}${lists}`);
  return NO_COMMAND;
}

async function printUsage(
  name: string,
  description: string,
  commands: Readonly<Record<string, LazyCommand>>,
): Promise<void> {
  // Loaded for this alone: it takes 2 ms of each command.
  const { renderUsage } = await import("citty");
  const subCommands = Object.fromEntries(
    Object.entries(commands).map(([command, { summary }]) => [
      command,
      { meta: { name: command, description: summary } },
    ]),
  );
  // citty pads the last column, and uses colours even if the output is not a terminal.
  const usage = await renderUsage({ meta: { name, description, version: VERSION }, subCommands });
  const plain = usage.replace(/ +$/gm, "");
  print(`${coloursWanted() ? plain : Bun.stripANSI(plain)}\n`);
}
