import type { ByteString } from "../../ffi/bytes.ts";
import { COLOR, type Paint, paintFor } from "../cli/colour.ts";
import { display, jsonText, quoted } from "../cli/display.ts";
import { UsageError } from "../cli/error.ts";
import { excerptLines, remedyLines } from "../cli/excerpt.ts";
import { JSON_OUTPUT } from "../cli/options.ts";
import { printError, printLine, stdoutIsTerminal } from "../cli/output.ts";
import { remedyText } from "../cli/report.ts";
import { defineTool } from "../cli/tool.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import { problemLine } from "../config/model.ts";
import { countDeclaredHomes } from "../declaration/known-homes.ts";
import { ConfigCheck } from "../lint/check.ts";
import type { ConfigReport } from "../lint/report-schema.ts";

function report({ findings, files, failures }: ConfigCheck): ConfigReport {
  return {
    version: 1,
    tool: "jailkit config",
    files: files.map(jsonText),
    findings: findings.map(({ file, line, column, severity, code, message, remedy }) => ({
      file: jsonText(file),
      line,
      column,
      severity,
      code,
      message: jsonText(message),
      remedy: remedyText(remedy),
    })),
    failures: failures.map(jsonText),
  };
}

/** Each finding with the line that it is about. */
function findingLines({ findings, places }: ConfigCheck, paint: Paint): ByteString[] {
  return findings.flatMap((one) => {
    const severity = paint(one.severity === "error" ? "bad" : "caution", one.severity);
    const place = places.get(one);
    return [
      problemLine(one, display(one.file), severity),
      ...(place === undefined ? [] : excerptLines(place)),
      ...remedyLines(one.remedy),
    ];
  });
}

/** `jailkit config check`: what is wrong with the config files. */
export const tool = defineTool({
  name: "jailkit config",
  summary: "check the configuration files",
  synopsis: ["check [--json] [--color=WHEN] [FILE...]"],
  options: { json: JSON_OUTPUT, color: COLOR },
  exitStatus: {
    0: "there are no findings",
    1: "there are findings",
    2: "FILE does not exist, or a file cannot be read, such as /var/lib/jailkit/declared.json; or wrong arguments",
  },
  badOptionStatus: 2,
  notes: `Without FILE it checks all of ${CONFIG_DIRECTORY}, and jk_lsh.ini in each jail that has a record or that an account of /etc/passwd lives in. A FILE in etc/jailkit of a jail is checked against the jail: its users, groups and programs. A finding is printed as

file:line:column: severity: message [code]

with the line, a caret under the place, and a remedy below it, indented. The remedy is a command, or the text for a line of the file; it fixes the finding, but only you know whether the line was meant otherwise. All remedies can be typed in their order, one that several findings have only once: findings whose remedies add lines to a file come after the others, the last line first. An error means that the file, the section or the value is not used; a warning, that it does not mean what it seems to, or is dangerous.

Without findings it prints "no findings" on a terminal, and nothing in a pipe or a file.`,
  run({ options, operands }) {
    countDeclaredHomes();
    const [command, ...files] = operands;
    if (command !== "check") {
      const given = command === undefined ? "no command" : quoted(command);
      throw new UsageError(`${given}: the only command is 'jailkit config check'`, 2);
    }
    const paint = paintFor(options.color, 2);
    const check = new ConfigCheck();
    for (const file of files) check.named(file);
    if (files.length === 0) check.all();
    const clean = check.findings.length + check.failures.length === 0;
    return {
      exitStatus: check.failures.length > 0 ? 2 : clean ? 0 : 1,
      report: () => report(check),
      print() {
        findingLines(check, paint).forEach(printLine);
        if (clean && stdoutIsTerminal()) {
          const shown = check.files.map(display).join(", ") || "no files";
          printLine(`${paint("good", "no findings")} in ${shown}`);
        }
        for (const failure of check.failures) printError(`jailkit config: ${failure}`);
      },
    };
  },
});
