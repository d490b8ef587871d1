import { type ArgsDef, defineCommand, parseArgs } from "citty";
import type { ByteString } from "../../ffi/bytes.ts";
import { versionLine } from "./about.ts";
import { getopt, UsageError } from "./getopt.ts";
import { type HelpSource, renderHelp } from "./help.ts";
import { longName, type OptionTable, type OptionValues } from "./options.ts";
import { print, printError, printLine } from "./output.ts";
import { VERSION } from "./version.ts";

/** A tool for administrators: what it is called, what it takes, what it does. */
export interface ToolDefinition<T extends OptionTable = OptionTable> extends HelpSource {
  readonly options: T;
  /** Options end at the first operand, as for a tool that starts another program. */
  readonly posix?: boolean;
  /** The exit status for arguments that do not parse; 1 as in jailkit 2 unless said otherwise. */
  readonly badOptionStatus?: number;
  /** Does the work and returns the exit status. */
  readonly run: (context: ToolContext<T>) => number | Promise<number>;
}

/** What a tool's `run` gets. */
export interface ToolContext<T extends OptionTable = OptionTable> {
  readonly options: OptionValues<T>;
  readonly operands: readonly ByteString[];
}

/** A tool whose types of options have been settled, as `runTool` takes it. */
export interface Tool extends HelpSource {
  readonly posix?: boolean;
  /** Parses arguments (without argv[0]) and runs; returns the exit status. */
  readonly main: (args: readonly ByteString[]) => Promise<number>;
}

const commonOptions = {
  help: { short: "h", description: "show this help and exit" },
  questionMark: { short: "?", long: "usage", hidden: true, description: "as --help" },
  version: { description: "show the version and exit" },
} as const satisfies OptionTable;

/** Makes a tool out of its definition; `--help` and `--version` come with it. */
export function defineTool<const T extends OptionTable>(definition: ToolDefinition<T>): Tool {
  const options: OptionTable = { ...definition.options, ...commonOptions };
  const command = defineCommand({
    meta: { name: definition.name, description: definition.summary, version: VERSION },
    args: cittyArguments(options),
  });
  const source: HelpSource = { ...definition, options };

  return {
    ...source,
    ...(definition.posix === undefined ? {} : { posix: definition.posix }),
    async main(args) {
      let parsed: ReturnType<typeof getopt>;
      try {
        parsed = getopt(args, options, definition.posix);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        printError(`${definition.name}: ${error.message}; see '${definition.name} --help'`);
        return definition.badOptionStatus ?? 1;
      }
      if (parsed.options.some((option) => option.key === "help" || option.key === "questionMark")) {
        print(renderHelp(source));
        return 0;
      }
      if (parsed.options.some((option) => option.key === "version")) {
        printLine(versionLine(definition.name));
        return 0;
      }
      const words = parsed.options.map(
        ({ long, value }) => `--${long}${value === undefined ? "" : `=${value}`}`,
      );
      const values = parseArgs(words, command.args as ArgsDef);
      const typed: Record<string, ByteString | ByteString[] | boolean | undefined> = {};
      for (const [key, spec] of Object.entries(options)) {
        const long = longName(key, spec);
        if (spec.repeat) {
          typed[key] = parsed.options.flatMap((o) =>
            o.key === key && o.value !== undefined ? [o.value] : [],
          );
        } else
          typed[key] =
            spec.value === undefined ? values[long] === true : (values[long] as string | undefined);
      }
      return definition.run({ options: typed as OptionValues<T>, operands: parsed.operands });
    },
  };
}

/** The table as citty wants it. citty knows no repeated options: `main` adds those. */
function cittyArguments(options: OptionTable): ArgsDef {
  const args: ArgsDef = {};
  for (const [key, spec] of Object.entries(options)) {
    // citty takes every `--no-X` for the opposite of `--X`.
    if (longName(key, spec).startsWith("no-")) throw new Error(`--${longName(key, spec)}: begins with no-`);
    const common = {
      description: spec.description,
      ...(spec.short === undefined ? {} : { alias: spec.short }),
    };
    args[longName(key, spec)] =
      spec.value === undefined
        ? { type: "boolean", ...common }
        : { type: "string", valueHint: spec.value, ...common };
  }
  return args;
}

/** Runs a tool with its arguments (without argv[0]); returns the exit status. */
export function runTool(tool: Tool, args: readonly ByteString[]): Promise<number> {
  return tool.main(args);
}
