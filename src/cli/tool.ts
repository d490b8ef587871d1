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
  /** The operands are the arguments of another program: they may be empty. */
  readonly operandsOfProgram?: boolean;
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
        requireNames(parsed, options, definition.posix ?? definition.operandsOfProgram);
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
      const typed = optionValues<T>(parsed.options, options, command.args as ArgsDef);
      return definition.run({ options: typed, operands: parsed.operands });
    },
  };
}

/** Refuses an empty name: a variable that is not set would name the working directory. Throws UsageError. */
function requireNames(
  { options: given, operands }: ReturnType<typeof getopt>,
  options: OptionTable,
  ofProgram: boolean | undefined,
): void {
  const empty = given.find(({ key, value }) => value === "" && options[key]?.mayBeEmpty !== true);
  if (empty !== undefined) throw new UsageError(`the value of option '--${empty.long}' is empty`);
  if (ofProgram !== true && operands.includes("")) throw new UsageError("an argument is empty");
}

/** What was given, by the keys of the table. */
function optionValues<T extends OptionTable>(
  given: ReturnType<typeof getopt>["options"],
  options: OptionTable,
  table: ArgsDef,
): OptionValues<T> {
  const words = given.map(({ long, value }) => `--${long}${value === undefined ? "" : `=${value}`}`);
  const values = parseArgs(words, table);
  const typed: Record<string, ByteString | ByteString[] | boolean | undefined> = {};
  for (const [key, spec] of Object.entries(options)) {
    const long = longName(key, spec);
    if (spec.repeat)
      typed[key] = given.flatMap((o) => (o.key === key && o.value !== undefined ? [o.value] : []));
    else typed[key] = spec.value === undefined ? values[long] === true : (values[long] as string | undefined);
  }
  return typed as OptionValues<T>;
}

/**
 * Reads arguments by somebody else's table, as that tool would, its operands after the options. Throws UsageError.
 */
export function parseArguments<const T extends OptionTable>(
  args: readonly ByteString[],
  options: T,
): ToolContext<T> {
  const parsed = getopt(args, options);
  requireNames(parsed, options, true);
  const { options: given, operands } = parsed;
  return { options: optionValues<T>(given, options, cittyArguments(options)), operands };
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
