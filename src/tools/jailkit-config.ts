import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { COLOR, type Paint, paintFor } from "../cli/colour.ts";
import { display, displayAgain, jsonText, quoted } from "../cli/display.ts";
import { describeError, type ErrorPlace } from "../cli/error.ts";
import { excerptLines } from "../cli/excerpt.ts";
import { JSON_OUTPUT } from "../cli/options.ts";
import { printError, printJson, printLine, stdoutIsTerminal } from "../cli/output.ts";
import { jsonTextOrNull } from "../cli/report.ts";
import { shellWord } from "../cli/shell-word.ts";
import { startTool } from "../cli/start.ts";
import { defineTool } from "../cli/tool.ts";
import { fixText } from "../config/fixes.ts";
import { CONFIG_DIRECTORY, mergeFiles, readConfigSources } from "../config/load.ts";
import { type Problem, problemLine } from "../config/model.ts";
import { fixSource, placeOf } from "../config/place.ts";
import { scanIni } from "../config/scan.ts";
import { CONFIG_KINDS, type ConfigKind, kindOf } from "../config/schemas/catalogue.ts";
import { standsIn } from "../config/trusted.ts";
import { jailedUsers } from "../jail/accounts/jailed-users.ts";
import { knownJails } from "../jail/record/manifest.ts";
import { lint } from "../lint/lint.ts";
import type { ConfigReport } from "../lint/report-schema.ts";
import { jailOf, knownPaths, openWorld } from "../lint/world.ts";

/** A finding, and what to type against it; undefined where only the administrator can tell what is meant. */
interface Finding extends Problem {
  remedy: ByteString | undefined;
}

interface Result {
  findings: Finding[];
  /** The lines that findings are about; of some it is the whole file. */
  places: Map<Problem, ErrorPlace>;
  /** Files that were read, drop-ins included. */
  files: ByteString[];
  /** Why something could not be read; printable. */
  failures: ByteString[];
}

/**
 * The first of the directories above a file that not everybody may pass; undefined where the way is free. A jail may be
 * for some users alone, so that of a file in one the way counts from there on.
 */
function closedDirectory(file: ByteString): ByteString | undefined {
  const parts = file.split("/").slice(1, -1);
  const jail = jailOf(file) ?? "";
  const all = parts.map((_, count) => `/${parts.slice(0, count + 1).join("/")}`);
  const above = all.filter((path) => path.length > jail.length);
  return above.find((path) => {
    const stat = statIfPresent(AT_FDCWD, path, true);
    return stat !== undefined && (stat.mode & 0o001) === 0;
  });
}

/** True for the directory of the jail in which a file stands, where that is known as one, and for those in it. */
function isOfJail(directory: ByteString, file: ByteString): boolean {
  const jail = jailOf(file);
  if (jail === undefined || !knownPaths().includes(jail)) return false;
  return directory === jail || directory.startsWith(`${jail}/`);
}

function checkFile(file: ByteString, kind: ConfigKind, missing: "ignore" | "fail", result: Result): void {
  const whole = (
    severity: Problem["severity"],
    name: ByteString,
    code: Problem["code"],
    message: ByteString,
    remedy: ByteString | undefined,
  ) => {
    result.findings.push({ file: name, line: 1, column: 1, severity, code, message, remedy });
  };
  let sources: ReturnType<typeof readConfigSources>;
  let trusted = true;
  const told = new Set<ByteString>();
  try {
    // The tools would refuse it; what is in it can be judged all the same.
    sources = readConfigSources(file, 2, 0, (path, problem) => {
      trusted = false;
      const { directory } = problem;
      if (directory !== undefined) told.add(directory.path);
      const jails = directory !== undefined && isOfJail(directory.path, file);
      const { because, remedy } = jails ? standsIn(directory) : problem;
      whole("error", path, "unsafe-file", `${quoted(path)} ${display(because)}`, remedy);
    });
  } catch (error) {
    result.failures.push(describeError(error));
    return;
  }
  const [main] = sources;
  if (missing === "fail" && main?.file !== file) {
    result.failures.push(`${display(file)}: no such file`);
    return;
  }
  const closed = kind.sections === "account" ? closedDirectory(file) : undefined;
  if (closed !== undefined) {
    const remedy = `chmod a+x ${shellWord(closed)}`;
    const message = `${quoted(closed)} cannot be passed by everybody: who cannot is refused; mend it with: ${remedy}`;
    whole("error", closed, "unreadable-file", message, remedy);
  }
  if (sources.length === 0) return;
  result.files.push(...sources.map((source) => source.file));
  if (kind.sections === "account") {
    for (const { file: path, stat } of sources) {
      // What goes by such a file runs as the user.
      if ((stat.mode & 0o004) !== 0) continue;
      const remedy = `chmod a+r ${shellWord(path)}`;
      const message = `${quoted(path)} cannot be read by everybody: who cannot is refused; mend it with: ${remedy}`;
      whole("error", path, "unreadable-file", message, remedy);
    }
  }
  const parts = sources.map((source) => scanIni(source.bytes, source.file, kind.dialect));
  const merged = mergeFiles(parts, file, kind.dialect);
  let view: ReturnType<typeof openWorld>;
  try {
    view = openWorld(file);
  } catch (error) {
    result.failures.push(describeError(error));
    return;
  }
  try {
    const source = fixSource(merged);
    for (const problem of lint(merged, kind, view.world)) {
      // It follows from what has been told already.
      if (told.has(problem.file)) continue;
      // Somebody may have put another file there, whose lines are nobody's business.
      const place = trusted ? placeOf(merged, problem) : undefined;
      const aboutLines = sources.some((one) => one.file === problem.file);
      const remedy = trusted || !aboutLines ? fixText(problem, source) : undefined;
      const finding: Finding = { ...problem, remedy };
      result.findings.push(finding);
      if (place !== undefined) result.places.set(finding, place);
    }
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    result.failures.push(`${display(file)} cannot be checked: ${describeError(error)}`);
  } finally {
    view.leave();
  }
}

function checkNamed(name: ByteString, result: Result): void {
  const kind = kindOf(name);
  if (kind === undefined) {
    const known = CONFIG_KINDS.map((one) => `${one.name}.ini`).join(", ");
    result.failures.push(
      `${display(name)}: cannot tell which file this is; its name should hold one of ${known}`,
    );
    return;
  }
  checkFile(name, kind, "fail", result);
}

/** The files by which the limited shell in the jails that are known goes. */
function checkShells(result: Result): void {
  const kind = kindOf("jk_lsh.ini");
  if (kind === undefined) return;
  const jails = new Set<ByteString>();
  for (const { jail } of jailedUsers()) if (jail !== undefined) jails.add(jail);
  try {
    // Root alone can read the records.
    if (libc.geteuid() === 0) for (const { jail } of knownJails()) jails.add(jail.path);
  } catch (error) {
    result.failures.push(describeError(error));
  }
  for (const jail of [...jails].sort())
    checkFile(`${jail}${CONFIG_DIRECTORY}/jk_lsh.ini`, kind, "ignore", result);
}

function printJsonResult({ findings, files, failures }: Result): void {
  printJson({
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
      remedy: jsonTextOrNull(remedy),
    })),
    failures: failures.map(jsonText),
  } satisfies ConfigReport);
}

function remedyLines(remedy: ByteString | undefined): ByteString[] {
  if (remedy === undefined) return [];
  const [first = "", ...more] = remedy.split("\n").map(displayAgain);
  return [`  remedy: ${first}`, ...more.map((line) => `    ${line}`)];
}

/** Each finding with the line that it is about. */
function findingLines({ findings, places }: Result, paint: Paint): ByteString[] {
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
  options: {
    json: JSON_OUTPUT,
    color: COLOR,
  },
  exitStatus: {
    0: "nothing was found",
    1: "there are findings",
    2: "a file cannot be read, or wrong arguments",
  },
  badOptionStatus: 2,
  notes: `Without FILE all of ${CONFIG_DIRECTORY} is checked, and jk_lsh.ini in each jail that accounts of /etc/passwd live in or that has a record. Drop-ins (${CONFIG_DIRECTORY}/jk_lsh.d/*.ini for jk_lsh.ini) are checked with their file. A FILE in etc/jailkit of a jail is checked against the jail: its users, groups and programs. A finding is printed as

file:line:column: severity: message [code]

with the line and a caret under the place below it, indented, and a remedy: a command, or the text for a line of the file. It makes the finding go away; whether the line was meant otherwise is for you to say. With --json a finding is an element of "findings", with the members file, line, column, severity ("error": the file, the section or the value is not used; "warning": it does not say what it seems to, or is dangerous), code (stable), message and remedy (null where none is known). "files" lists what was read, "failures" what could not be.

Where nothing is found, a terminal is told "no findings"; in a pipe or a file nothing is said, and the exit status tells.`,
  run({ options, operands }) {
    const [command, ...names] = operands;
    if (command !== "check") {
      const what = command === undefined ? "no command" : quoted(command);
      printError(`jailkit config: ${what}: say 'jailkit config check'`);
      return 2;
    }
    const paint = paintFor(options.color, 2);
    const result: Result = { findings: [], places: new Map(), files: [], failures: [] };
    for (const name of names) checkNamed(name, result);
    if (names.length === 0) {
      for (const kind of CONFIG_KINDS) {
        checkFile(`${CONFIG_DIRECTORY}/${kind.name}.ini`, kind, "ignore", result);
      }
      checkShells(result);
    }
    if (options.json) printJsonResult(result);
    else {
      for (const line of findingLines(result, paint)) printLine(line);
      if (result.findings.length + result.failures.length === 0 && stdoutIsTerminal()) {
        printLine(`${paint("good", "no findings")} in ${result.files.map(display).join(", ") || "no files"}`);
      }
      for (const failure of result.failures) printError(`jailkit config: ${failure}`);
    }
    if (result.failures.length > 0) return 2;
    return result.findings.length > 0 ? 1 : 0;
  },
});

if (import.meta.main) await startTool(tool);
