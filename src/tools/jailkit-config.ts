import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import { close, fstat, openAt, openAt2 } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { display, jsonText, quoted } from "../cli/display.ts";
import { describeError } from "../cli/error.ts";
import { printError, printJson, printLine } from "../cli/output.ts";
import { startTool } from "../cli/start.ts";
import { defineTool } from "../cli/tool.ts";
import { CONFIG_KINDS, type ConfigKind, kindOf } from "../config/catalogue.ts";
import { lint } from "../config/lint.ts";
import type { LintWorld, SeenFile } from "../config/lint-context.ts";
import { CONFIG_DIRECTORY, mergeFiles, readConfigSources } from "../config/load.ts";
import { type Problem, problemLine } from "../config/model.ts";
import { scanIni } from "../config/scan.ts";
import { canLimitExecution } from "../confine/execute.ts";
import { grantedBy, viewExecution } from "../confine/execute-view.ts";
import { filesBelow } from "../enter/files-below.ts";
import { jailedUsers, limitedUsers } from "../inspect/check-host.ts";
import { hookedRepositories, SHARED } from "../inspect/hooks.ts";
import { readJailAccounts } from "../jail/accounts.ts";
import { knownJails } from "../jail/manifest.ts";
import { closeJailRoot, openJailRoot } from "../jail/walk.ts";
import { executedFiles } from "../populate/closure.ts";
import { copyOfKnown } from "../populate/copies.ts";
import { ownStart } from "../populate/own-start.ts";
import { createPoptReaders } from "../populate/popt.ts";
import { namesIn } from "../system/account-names.ts";
import { groupByName, passwdByName } from "../system/accounts.ts";

/** What stands at a path below an open root directory, links followed as a process in that root would. */
function lookUp(root: number, path: ByteString): SeenFile | undefined {
  let fd: number;
  try {
    fd = openAt2(root, path, C.O_PATH, C.RESOLVE_IN_ROOT);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EACCES", "ENAMETOOLONG", "EINVAL", "EXDEV")) {
      return undefined;
    }
    throw error;
  }
  try {
    const { mode } = fstat(fd);
    const format = mode & C.S_IFMT;
    const type = format === C.S_IFREG ? "file" : format === C.S_IFDIR ? "directory" : "other";
    return { type, executable: (mode & 0o111) !== 0 };
  } finally {
    close(fd);
  }
}

/** What the sections of jk_lsh.ini let programs execute in the root directory `path`, which is open as `root`. */
function executionIn(root: number, path: ByteString): Pick<LintWorld, "execution" | "grantedBy"> {
  return {
    grantedBy: (program) => grantedBy(root, program),
    execution(named, executables) {
      if (!canLimitExecution()) return undefined;
      const { leftOut, mayExecute } = viewExecution(root, { named, executables, home: "/" });
      return { leftOut, blocked: (program) => executedFiles(path, program).find((one) => !mayExecute(one)) };
    },
  };
}

/** Where users keep repositories: in their homes, and in /srv. */
function repositoriesOf(
  root: number,
  users: () => readonly { name: ByteString; home: ByteString }[],
): LintWorld["hookedRepositories"] {
  const known = new Map<ByteString | undefined, ReturnType<typeof hookedRepositories>>();
  return (user) => {
    const there = known.get(user);
    if (there !== undefined) return there;
    const homes = users().flatMap(({ name, home }) => (user === undefined || name === user ? [home] : []));
    const found = hookedRepositories(root, [...homes, SHARED]);
    known.set(user, found);
    return found;
  };
}

/** The machine, or the jail in which the file stands: /srv/jail for /srv/jail/etc/jailkit/jk_lsh.ini. */
function openWorld(file: ByteString): { world: LintWorld; leave: () => void } {
  const jail = /^(\/.*)\/etc\/jailkit\/[^/]+(\/[^/]+)?$/.exec(file)?.[1];
  const root = openAt(C.AT_FDCWD, jail ?? "/", C.O_PATH | C.O_DIRECTORY);
  const popt = createPoptReaders(jail ?? "/");
  const files = {
    lookUp: (path: ByteString) => lookUp(root, path),
    files: filesBelow(root, "/", () => undefined),
    ...executionIn(root, jail ?? "/"),
    readsPopt: popt.readsPopt,
    ownStart: (path: ByteString) => ownStart(jail ?? "/", path),
    copyOfKnown: (path: ByteString) => copyOfKnown(jail ?? "/", path),
  };
  const closeBoth = () => {
    popt.close();
    close(root);
  };
  if (jail === undefined) {
    const userExists = (name: ByteString) => passwdByName(name) !== undefined;
    const groupExists = (name: ByteString) => groupByName(name) !== undefined;
    const repositories = { hookedRepositories: repositoriesOf(root, limitedUsers) };
    const names = { userNames: () => namesIn("/etc/passwd"), groupNames: () => namesIn("/etc/group") };
    return { world: { ...files, userExists, groupExists, ...names, ...repositories }, leave: closeBoth };
  }
  const tree = openJailRoot(jail);
  const accounts = readJailAccounts(tree);
  const world: LintWorld = {
    ...files,
    userExists: (name) => accounts.userByName(name) !== undefined,
    groupExists: (name) => accounts.groupByName(name) !== undefined,
    userNames: () => accounts.users.map(({ name }) => name),
    groupNames: () => accounts.groups.map(({ name }) => name),
    hookedRepositories: repositoriesOf(root, () => accounts.users),
  };
  const leave = () => {
    closeJailRoot(tree);
    closeBoth();
  };
  return { world, leave };
}

interface Result {
  findings: Problem[];
  /** Files that were read, drop-ins included. */
  files: ByteString[];
  /** Why something could not be read; printable. */
  failures: ByteString[];
}

function checkFile(file: ByteString, kind: ConfigKind, missing: "ignore" | "fail", result: Result): void {
  const whole = (severity: Problem["severity"], name: ByteString, code: string, message: ByteString) => {
    result.findings.push({ file: name, line: 1, column: 1, severity, code, message });
  };
  let sources: ReturnType<typeof readConfigSources>;
  try {
    // The tools would refuse it; what is in it can be judged all the same.
    sources = readConfigSources(file, 2, 0, (path, problem) =>
      whole("error", path, "unsafe-file", `${quoted(path)} ${display(problem)}`),
    );
  } catch (error) {
    result.failures.push(describeError(error));
    return;
  }
  const [main] = sources;
  if (missing === "fail" && main?.file !== file) {
    result.failures.push(`${display(file)}: no such file`);
    return;
  }
  if (sources.length === 0) return;
  result.files.push(...sources.map((source) => source.file));
  if (kind.sections === "account") {
    for (const { file: path, stat } of sources) {
      // What goes by such a file runs as the user.
      if ((stat.mode & 0o004) !== 0) continue;
      const message = `${quoted(path)} cannot be read by everybody: who cannot is refused; mend it with: chmod a+r ${display(path)}`;
      whole("error", path, "unreadable-file", message);
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
    result.findings.push(...lint(merged, kind, view.world));
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
    files: files.map(jsonText),
    findings: findings.map((one) => ({
      ...one,
      file: jsonText(one.file),
      message: jsonText(one.message),
    })),
    failures: failures.map(jsonText),
  });
}

/** `jailkit config check`: what is wrong with the config files. */
export const tool = defineTool({
  name: "jailkit config",
  summary: "check the configuration files",
  synopsis: ["check [--json] [FILE...]"],
  options: {
    json: { description: "print one JSON object instead of lines" },
  },
  exitStatus: {
    0: "nothing was found",
    1: "there are findings",
    2: "a file cannot be read, or wrong arguments",
  },
  badOptionStatus: 2,
  notes: `Without FILE all of ${CONFIG_DIRECTORY} is checked, and jk_lsh.ini in each jail that accounts of /etc/passwd live in or that has a record. Drop-ins (${CONFIG_DIRECTORY}/jk_lsh.d/*.ini for jk_lsh.ini) are checked with their file. A FILE in etc/jailkit of a jail is checked against the jail: its users, groups and programs. A finding is printed as

file:line:column: severity: message [code]

and with --json as an element of "findings", with the members file, line, column, severity ("error": the file, the section or the value is not used; "warning": it does not say what it seems to, or is dangerous), code (stable) and message. "files" lists what was read, "failures" what could not be.`,
  run({ options, operands }) {
    const [command, ...names] = operands;
    if (command !== "check") {
      const what = command === undefined ? "no command" : quoted(command);
      printError(`jailkit config: ${what}: say 'jailkit config check'`);
      return 2;
    }
    const result: Result = { findings: [], files: [], failures: [] };
    for (const name of names) checkNamed(name, result);
    if (names.length === 0) {
      for (const kind of CONFIG_KINDS) {
        checkFile(`${CONFIG_DIRECTORY}/${kind.name}.ini`, kind, "ignore", result);
      }
      checkShells(result);
    }
    if (options.json) printJsonResult(result);
    else {
      for (const one of result.findings) printLine(problemLine(one, display(one.file)));
      for (const failure of result.failures) printError(`jailkit config: ${failure}`);
    }
    if (result.failures.length > 0) return 2;
    return result.findings.length > 0 ? 1 : 0;
  },
});

if (import.meta.main) await startTool(tool);
