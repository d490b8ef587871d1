import type { ByteString } from "../../ffi/bytes.ts";
import { libc } from "../../ffi/libc.ts";
import { neverWait } from "../../ffi/served.ts";
import { printAbout } from "./about.ts";
import { requireCombination } from "./combinations.ts";
import { isReported, JailkitError, UsageError } from "./error.ts";
import { type GivenArguments, getopt } from "./getopt.ts";
import type { HelpSource } from "./help.ts";
import { statusAfterSignals } from "./interrupt.ts";
import type { OptionTable, OptionValues } from "./options.ts";
import { capturing, hasPrinted, printError, printErrorAsItIs, printJson, printJsonLine } from "./output.ts";
import { errorReport } from "./report.ts";
import type { ErrorReport } from "./report-schema.ts";
import { tellOfWaiting } from "./waiting.ts";

/** A tool for administrators: what it is called, what it takes, what it does. */
interface ToolDefinition<T extends OptionTable = OptionTable> extends HelpSource {
  readonly options: T;
  /** Options end at the first operand, as for a tool that starts another program. */
  readonly posix?: boolean;
  /** The operands are the arguments of another program: they may be empty. */
  readonly operandsOfProgram?: boolean;
  /** The exit status for arguments that do not parse; 1 as in jailkit 2 unless said otherwise. */
  readonly badOptionStatus?: number;
  /** Only root may run it: the exit status for others, which the help has too. */
  readonly root?: number;
  /** The option with which others may run it too. */
  readonly withoutRoot?: keyof T & string;
  /** Does the work. Returns the exit status, or also what to print at the end. Throws UsageError and other errors. */
  readonly run: (context: ToolContext<T>) => number | ToolOutput | Promise<number | ToolOutput>;
}

/** The arguments of a tool. */
interface ToolContext<T extends OptionTable = OptionTable> {
  readonly options: OptionValues<T>;
  readonly operands: readonly ByteString[];
}

/** The end of a run: the exit status, and what is printed. */
export interface ToolOutput {
  readonly exitStatus: number;
  /** With --json: this object. */
  readonly report: () => unknown;
  /** Without: prints lines, unless all were printed before. */
  readonly print?: () => unknown;
}

/** A tool whose types of options have been settled. */
export interface Tool extends HelpSource {
  readonly posix?: boolean;
  /** Reads arguments (without argv[0]) and runs; returns the exit status. */
  readonly main: (args: readonly ByteString[]) => Promise<number>;
  /**
   * Does the same for another tool, which shows it: prints nothing, and returns the exit status and the report of --json,
   * which must be among the arguments. Throws what `run` does.
   */
  readonly call: ToolCall;
}

/** The `call` of a tool. */
export type ToolCall = (
  args: readonly ByteString[],
) => Promise<{ readonly exitStatus: number; readonly report: unknown }>;

const commonOptions = {
  help: { short: "h", description: "show this help and exit" },
  questionMark: { short: "?", long: "usage", hidden: true, description: "as --help" },
  version: { description: "show the version and exit" },
} as const satisfies OptionTable;

/** Makes a tool out of its definition; `--help` and `--version` come with it. */
export function defineTool<const T extends OptionTable>(definition: ToolDefinition<T>): Tool {
  const options: OptionTable = { ...definition.options, ...commonOptions };
  const refused = definition.root === undefined ? {} : { [definition.root]: "not run as root" };
  const source: HelpSource = { ...definition, options, exitStatus: { ...refused, ...definition.exitStatus } };
  const { name, posix, operandsOfProgram, badOptionStatus = 1, root, withoutRoot = "" } = definition;

  async function main(args: readonly ByteString[]): Promise<number> {
    neverWait();
    let given: GivenArguments;
    try {
      given = readArguments(args, options, posix ?? operandsOfProgram, posix);
    } catch (error) {
      return refuseUsage(name, error, badOptionStatus);
    }
    const asked = given.options.map(({ key }) => key);
    const help = asked.includes("help") || asked.includes("questionMark");
    if (help || asked.includes("version")) {
      printAbout(source, help ? "help" : "version");
      return 0;
    }
    return execute(given, asked);
  }

  async function execute(given: GivenArguments, asked: readonly string[]): Promise<number> {
    const isJson = asked.includes("json");
    const lines = given.options.some(({ key, value }) => key === "json" && value === "lines");
    const showJson = lines ? printJsonLine : printJson;
    try {
      if (root !== undefined && libc.geteuid() !== 0 && !asked.includes(withoutRoot))
        throw new JailkitError("not-root", root, "must be run as root");
      requireCombination(asked, options);
      if (!isJson) tellOfWaiting(name);
      const values = optionValues<T>(given, options);
      const output = await definition.run({ options: values, operands: given.operands });
      if (typeof output === "number") return output;
      if (isJson) showJson(output.report());
      else output.print?.();
      return output.exitStatus;
    } catch (error) {
      if (isJson && (lines || !hasPrinted())) showError(name, error, showJson);
      return refuseUsage(name, error);
    }
  }

  async function call(args: readonly ByteString[]) {
    const given = readArguments(args, options, posix ?? operandsOfProgram, posix);
    const run = async () =>
      definition.run({ options: optionValues<T>(given, options), operands: given.operands });
    // Problems are printed also with --json, and are in the report.
    const { result } = await capturing(run, printErrorAsItIs);
    if (typeof result === "number") return { exitStatus: result, report: undefined };
    return { exitStatus: result.exitStatus, report: result.report() };
  }

  return { ...definition, ...source, main, call };
}

/** Shows an error in place of a report, unless it is about the arguments. */
function showError(name: string, error: unknown, showJson: (report: ErrorReport) => void): void {
  if (!isReported(error) || error instanceof UsageError) return;
  const exitStatus = statusAfterSignals(error instanceof JailkitError ? error.exitStatus : 1);
  showJson(errorReport(name, error, exitStatus));
}

/** Prints a usage error and returns the exit status; any other error is thrown again. */
function refuseUsage(name: string, error: unknown, exitStatus?: number): number {
  if (!(error instanceof UsageError)) throw error;
  printError(`${name}: ${error.message}; see '${name} --help'`);
  return exitStatus ?? error.exitStatus;
}

// Options are read by getopt, and not by citty. Scripts written for jailkit 2.23 use what getopt_long(3) allows: bundled
// letters, abbreviations, options after operands, repeated options. citty's parser knows none of these, and takes
// unknown options silently.
function readArguments(
  args: readonly ByteString[],
  options: OptionTable,
  ofProgram = false,
  posix = false,
): GivenArguments {
  const given = getopt(args, options, posix);
  // A variable of a script that is not set would name the working directory.
  const empty = given.options.find(({ key, value }) => value === "" && options[key]?.mayBeEmpty !== true);
  if (empty !== undefined) throw new UsageError(`the value of option '--${empty.long}' is empty`);
  if (!ofProgram && given.operands.includes("")) throw new UsageError("an argument is empty");
  return given;
}

/** The options that were given, by the keys of the table. Of one that is given twice, the last counts. */
function optionValues<T extends OptionTable>(given: GivenArguments, options: OptionTable): OptionValues<T> {
  const typed: Record<string, ByteString | ByteString[] | boolean | undefined> = {};
  for (const [key, spec] of Object.entries(options)) {
    const own = given.options.filter((option) => option.key === key);
    if (spec.repeat) typed[key] = own.map(({ value = "" }) => value);
    else typed[key] = spec.value === undefined ? (own.at(-1)?.value ?? own.length > 0) : own.at(-1)?.value;
  }
  return typed as OptionValues<T>;
}

/** Reads the arguments of another tool as that tool would, its operands after the options. Throws UsageError. */
export function parseArguments<const T extends OptionTable>(
  args: readonly ByteString[],
  options: T,
): ToolContext<T> {
  const given = readArguments(args, options, true);
  return { options: optionValues<T>(given, options), operands: given.operands };
}
