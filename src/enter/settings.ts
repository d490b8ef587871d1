import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { type KeyTable, readKeys, type SectionValues } from "../config/keys.ts";
import { loadConfig, requireNoErrors } from "../config/load.ts";
import { type IniSection, type Problem, problemLine } from "../config/model.ts";
import { memberBy, selectSection } from "../config/scan.ts";
import { hostGroup } from "../system/name-services.ts";
import { accountOf, type CallerFacts, required } from "./facts.ts";

/**
 * Reads the settings for a caller: those of a section for the name or a group, or the built-in ones. A file that cannot be
 * read or understood is an error, and so is a name service that does not answer whether the caller is in a group.
 * `contradiction`: the error of a section, if its keys contradict each other.
 */
export function readSettings<T extends KeyTable>(
  caller: CallerFacts,
  keys: T,
  contradiction: (section: IniSection, values: SectionValues<T>) => Problem | undefined,
  exitStatus: number,
) {
  const ini = loadConfig(caller.configFile, { dialect: "c", exitStatus });
  const user = accountOf(caller).name;
  const group = required(caller.group(), "the group").name;
  const isMember = memberBy(() => [caller.gid, ...caller.groups()], hostGroup);
  const section = ini && selectSection(ini, user, group, isMember);
  const values = readKeys(section, keys);
  const problem = section && contradiction(section, values);
  if (problem !== undefined) values.problems.push(problem);
  requireNoErrors(values.problems, exitStatus);
  const warnings: ByteString[] = [];
  const warn = (one: Problem) => warnings.push(problemLine(one, display(one.file)));
  if (ini !== undefined) for (const one of ini.problems) warn(one);
  for (const one of values.problems) warn(one);
  return { hasFile: ini !== undefined, section: section?.name, values, warnings };
}
