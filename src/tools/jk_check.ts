import type { ByteString } from "../../ffi/bytes.ts";
import { check } from "../check/check.ts";
import { serveComparisons } from "../check/content/threads.ts";
import { checkReport } from "../check/report/json.ts";
import { sarifLog } from "../check/report/sarif.ts";
import { hostLines, jailLines, type Lines } from "../check/report/text.ts";
import { COLOR, paintFor } from "../cli/colour.ts";
import { display } from "../cli/display.ts";
import { UsageError } from "../cli/error.ts";
import { excerptLines } from "../cli/excerpt.ts";
import { BUSY_STATUS, JSON_OUTPUT, jailsOption, NO_WAIT } from "../cli/options.ts";
import { print, printError, printJson } from "../cli/output.ts";
import { startTool } from "../cli/start.ts";
import { defineTool } from "../cli/tool.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import { absolutePath } from "../populate/file-system.ts";

const NAME = "jk_check";

function show({ out, err }: Lines): void {
  if (out.length > 0) print(out.map((line) => `${line}\n`).join(""));
  for (const { message, place } of err) {
    printError(`${NAME}: ${message}`);
    if (place !== undefined) for (const line of excerptLines(place)) printError(line);
  }
}

/** jk_check(8): reports what is wrong with jails, and fixes what can be fixed safely. */
export const tool = defineTool({
  name: NAME,
  summary: "check the integrity and the safety of jails",
  synopsis: ["[OPTION...] [JAIL...]"],
  options: {
    jail: jailsOption("check this jail only, as if it were an operand; may be repeated"),
    configfile: {
      short: "c",
      value: "FILE",
      description: "the file with the exceptions, instead of /etc/jailkit/jk_check.ini",
    },
    full: { description: "read every file, including those that an earlier check found unchanged" },
    fix: { description: "fix problems that are safe to fix, and print each change" },
    noWait: NO_WAIT,
    run: { description: "run a test of each section in the jail, as an ordinary user" },
    json: JSON_OUTPUT,
    sarif: { description: "print a SARIF 2.1.0 log instead of lines" },
    color: COLOR,
    verbose: { short: "v", description: "show what is being tested" },
  },
  exitStatus: {
    0: "no findings",
    1: "there are findings, on standard output",
    2: "something could not be checked (see standard error), or the options are wrong",
    ...BUSY_STATUS,
  },
  badOptionStatus: 2,
  notes:
    "Without an operand it checks all known jails: those of jk_check.ini, those of users of /etc/passwd, and those with a record.",
  async run({ options, operands }) {
    if (options.json && options.sarif) throw new UsageError("give --json or --sarif, not both", 2);
    const jails = [...options.jail, ...operands];
    const paint = paintFor(options.color, 2);
    const lines = !options.json && !options.sarif;
    const result = await check({
      configFile: options.configfile ?? `${CONFIG_DIRECTORY}/jk_check.ini`,
      jails: jails.map((jail: ByteString) => absolutePath(jail)),
      full: options.full,
      fix: options.fix,
      noWait: options.noWait,
      json: !lines,
      run: options.run,
      verbose: options.verbose && lines ? (line) => print(`${display(line)}\n`) : () => undefined,
      begun: (host) => lines && show(hostLines(host, paint)),
      done: (jail) => lines && show(jailLines(jail, paint)),
    });
    const { exitStatus } = result;
    if (options.sarif) printJson(sarifLog(result));
    return { exitStatus, report: () => checkReport(result) };
  },
});

// A thread that compares files runs the same executable.
if (import.meta.main && Bun.isMainThread) await startTool(tool);
else if (!Bun.isMainThread) serveComparisons();
