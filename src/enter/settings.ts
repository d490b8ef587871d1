import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { type KeyTable, readKeys, type SectionValues } from "../config/keys.ts";
import { loadConfig, requireNoErrors } from "../config/load.ts";
import { type IniSection, type Problem, problemLine } from "../config/model.ts";
import { selectSection } from "../config/scan.ts";
import { accountOf, type CallerFacts, required } from "./facts.ts";

/**
 * Reads the settings for a caller: those of a section for the name or the primary group, or the built-in ones. A file that
 * cannot be read or understood is an error. `contradiction`: the error of a section, if its keys contradict each other.
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
  const section = ini && selectSection(ini, user, group);
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
