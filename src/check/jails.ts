import type { ByteString } from "../../ffi/bytes.ts";
import { mayBeDirectory } from "../../ffi/files.ts";
import { plainPath } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import { problemFrom } from "../cli/error.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import { type IniFile, problemLine } from "../config/model.ts";
import { placeOf } from "../config/place.ts";
import type { JailedUser } from "../jail/accounts/jailed-users.ts";
import { REGISTRY, readRegistry } from "../jail/record/manifest.ts";
import { type CheckProblem, unreadable } from "./rules.ts";
import { jailSettings, type PathTest, sectionOf } from "./settings.ts";

/** The jails to check, in order: those of jk_check.ini, of users, and of the registry; or those that were `asked` for. */
export function jailsToCheck(
  ini: IniFile | undefined,
  users: readonly JailedUser[],
  asked: readonly ByteString[],
): { jails: ByteString[]; problems: CheckProblem[] } {
  const problems: CheckProblem[] = [];
  const known = () => {
    const named = [
      ...(ini === undefined ? [] : sectionJails(ini, problems)),
      ...users.flatMap(({ jail }) => jail ?? []),
    ];
    return [...named, ...recordedJails(named, problems)];
  };
  const paths = new Set(asked.length > 0 ? asked.map(plainPath) : known());
  for (const path of paths) {
    for (const problem of jailSettings(sectionOf(ini, path)).problems) {
      if (problem.severity !== "error") continue;
      const message = problemLine(problem, display(problem.file));
      problems.push({
        code: "config-invalid",
        path: problem.file,
        message,
        place: ini && placeOf(ini, problem),
      });
    }
  }
  return { jails: [...paths], problems };
}

function sectionJails(ini: IniFile, problems: CheckProblem[]): ByteString[] {
  return ini.sections.flatMap(({ name, line, column, file }) => {
    if (name.startsWith("/")) return plainPath(name);
    const message = `${display(file)}:${line}: ${display(name)} is not the absolute path of a jail, which a section needs as its name`;
    problems.push({ code: "bad-section", path: file, message, place: placeOf(ini, { file, line, column }) });
    return [];
  });
}

/** The jails of the registry that still exist. A damaged record of one is a finding there, any other a problem. */
function recordedJails(named: readonly ByteString[], problems: CheckProblem[]): ByteString[] {
  try {
    const { jails, damaged } = readRegistry(named);
    const broken = damaged.flatMap(({ error }) => {
      if (error.jail !== undefined && mayBeDirectory(error.jail)) return plainPath(error.jail);
      problems.push({ code: error.code, path: error.file, message: error.message });
      return [];
    });
    return [...jails.map(({ jail }) => plainPath(jail.path)).filter(mayBeDirectory), ...broken].sort();
  } catch (error) {
    problems.push(unreadable(REGISTRY, error, "the registry of jails cannot be read: "));
    return [];
  }
}

/** A test for the paths of sockets that jk_socketd serves. */
export function servedSockets(problems: CheckProblem[]): PathTest {
  const file = `${CONFIG_DIRECTORY}/jk_socketd.ini`;
  try {
    const sections = loadConfig(file, { dialect: "c" })?.sections ?? [];
    const served = new Set(sections.map(({ name }) => plainPath(name)));
    return (path) => served.has(path);
  } catch (error) {
    problems.push({ ...problemFrom(error, "config-unreadable", file), code: "config-unreadable" });
    return () => false;
  }
}
