import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import type { IniFile } from "../config/model.ts";
import type { ManifestRequest } from "../jail/record/manifest.ts";
import type { Loader } from "../libraries/closure.ts";
import { wantedAccounts } from "../populate/apply/accounts.ts";
import type { PopulateProblem, Want } from "../populate/entry.ts";
import type { FileSystem } from "../populate/file-system.ts";
import type { Recipe } from "../populate/record/recipe.ts";
import { readProfile } from "./profile.ts";
import { selectSections } from "./sections.ts";

/** The section of a want that makes the directory of the log socket. */
export const LOG_SOCKET_SECTION = "need_logsocket";

/** What a log socket needs of the jail: its directory. */
export const logSocketDirectory: Want = {
  pattern: "/dev",
  written: LOG_SOCKET_SECTION,
  section: LOG_SOCKET_SECTION,
  keepOwner: false,
  keepSetuid: false,
  glob: false,
  kind: "empty-directory",
};

/** What jk_cp asks for with an operand. */
export function copyWant(path: ByteString, options: { owner: boolean; setuid: boolean }): Want {
  return {
    pattern: path,
    written: path,
    section: path,
    keepOwner: options.owner,
    keepSetuid: options.setuid,
    glob: false,
    kind: "any",
  };
}

/**
 * Reads the requests of a jail anew: the sections of jk_init as their files have them today, the operands of jk_cp.
 * What cannot be read becomes a problem, and the rest is still there.
 */
export function readRecipe(requests: readonly ManifestRequest[], host: FileSystem, loader: Loader): Recipe {
  const wants: Want[] = [];
  const users = new Set<ByteString>();
  const groups = new Set<ByteString>();
  const resolved = new Set<ByteString>();
  const linked = new Set<ByteString>();
  const problems: PopulateProblem[] = [];
  const warnings: string[] = [];
  const files = new Map<ByteString, IniFile>();
  let needProc = false;
  let needLogsocket = false;

  function configuration(file: ByteString): IniFile {
    const known = files.get(file);
    if (known !== undefined) return known;
    const ini = loadConfig(file, { dialect: "py" });
    if (ini === undefined) throw new JailkitError("no-config", 1, `${display(file)}: no such file`);
    files.set(file, ini);
    return ini;
  }

  function addSections({ sections: names, options }: ManifestRequest): void {
    const file =
      typeof options.configfile === "string" ? options.configfile : `${CONFIG_DIRECTORY}/jk_init.ini`;
    const selection = selectSections(configuration(file), names);
    for (const name of selection.unknown) {
      const message = `section ${quoted(name)}, of which there is something in the jail, does not exist in ${display(file)}`;
      problems.push({ code: "no-such-section", path: name, message });
    }
    const policy = options["copy-shell"] === true ? "like-others" : "built-in";
    const profile = readProfile(selection.sections, host, loader.libraryDirectories(), policy);
    wants.push(...profile.wants);
    if (profile.needLogsocket) wants.push(logSocketDirectory);
    needProc ||= profile.needProc;
    needLogsocket ||= profile.needLogsocket;
    for (const user of profile.users) users.add(user);
    for (const group of profile.groups) groups.add(group);
    for (const warning of selection.warnings) if (!warnings.includes(warning)) warnings.push(warning);
    for (const { name } of selection.sections) resolved.add(name);
    if (profile.needLogsocket) resolved.add(LOG_SOCKET_SECTION);
    if (options.hardlink === true) for (const { name } of selection.sections) linked.add(name);
  }

  function addOperands({ operands, options }: ManifestRequest): void {
    for (const path of operands) {
      wants.push(copyWant(path, { owner: options.owner === true, setuid: options.setuid === true }));
      resolved.add(path);
      if (options.hardlink === true) linked.add(path);
    }
  }

  for (const request of requests) {
    try {
      if (request.tool === "jk_init") addSections(request);
      else if (request.tool === "jk_cp") addOperands(request);
    } catch (error) {
      const asked = request.sections.map(quoted).join(", ");
      const message = `what was asked for as ${asked} cannot be read again: ${describeError(error)}`;
      problems.push({ code: "request", path: request.sections[0] ?? "", message });
    }
  }
  const accounts = wantedAccounts([...users], [...groups]);
  return { wants: distinct(wants), accounts, needProc, needLogsocket, resolved, linked, problems, warnings };
}

/** Each want once. */
function distinct(wants: readonly Want[]): Want[] {
  const seen = new Set<string>();
  return wants.filter((want) => {
    const key = JSON.stringify(want);
    const first = !seen.has(key);
    seen.add(key);
    return first;
  });
}
