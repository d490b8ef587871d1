import { type CommandDef, defineCommand, renderUsage, runCommand } from "citty";
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
  // citty drops the result of a sub-command.
  let exitStatus = 0;
  // citty looks names up with `in`: an object without prototype has no command `constructor`.
  const subCommands: Record<string, CommandDef> = Object.create(null);
  for (const [command, { summary, run }] of Object.entries(commands)) {
    subCommands[command] = defineCommand({
      meta: { name: command, description: summary },
      async run({ rawArgs }) {
        exitStatus = await run(rawArgs);
      },
    });
  }
  const main = defineCommand({ meta: { name, description: summary, version: VERSION }, subCommands });
  const [command] = args;
  if (command === undefined || command === "-h" || command === "--help" || command === "help") {
    // citty pads the last column, and uses colours even if the output is not a terminal.
    const usage = (await renderUsage(main)).replace(/ +$/gm, "");
    print(`${coloursWanted() ? usage : Bun.stripANSI(usage)}\n`);
    return command === undefined ? NO_COMMAND : 0;
  }
  if (command === "--version") {
    printLine(`${name} ${VERSION}`);
    return 0;
  }
  // Looked up here, because citty would skip options before the command.
  if (command in subCommands) {
    await runCommand(main, { rawArgs: [...args] });
    return exitStatus;
  }
  const hint = didYouMean(command, Object.keys(commands));
  const lists = `${hint === "" ? ";" : ""} '${name} --help' lists them`;
  printError(`${name}: there is no command ${quoted(command)}${hint}${lists}`);
  return NO_COMMAND;
}
