import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { type KeyTable, readKeys, type SectionValues } from "../config/keys.ts";
import { loadConfig, requireNoErrors } from "../config/load.ts";
import { type LOG_FORMAT, logFormatOf } from "../config/log-format.ts";
import { type IniFile, type IniSection, type Problem, problemLine } from "../config/model.ts";
import { memberBy, selectSection, unknownGroup } from "../config/scan.ts";
import { hostGroup } from "../system/name-services.ts";
import type { Audit } from "./audit.ts";
import { accountOf, type CallerFacts, required } from "./facts.ts";

/**
 * Reads the settings for a caller: those of a section for the name or a group, or the built-in ones. A file that cannot be
 * read or understood is an error, and so is a name service that does not answer whether the caller is in a group.
 * `contradiction`: the error of a section, if its keys contradict each other. `log`: it gets the form of its lines, and
 * learns who the caller is. `load`: reads the file.
 */
export function readSettings<T extends KeyTable & { readonly log_format: typeof LOG_FORMAT }>(
  caller: CallerFacts,
  keys: T,
  contradiction: (section: IniSection, values: SectionValues<T>) => Problem | undefined,
  exitStatus: number,
  log?: Audit,
  load = (): IniFile | undefined => loadConfig(caller.configFile, { dialect: "c", exitStatus }),
) {
  const ini = load();
  const account = accountOf(caller);
  const group = required(caller.group(), "the group");
  const { logFormat, problems } = logFormatOf(ini, keys);
  log?.setFormat(logFormat);
  const known = {
    user: { id: account.uid, name: account.name },
    group: { id: group.gid, name: group.name },
  };
  log?.learn(known);
  const warnings: ByteString[] = [];
  const isMember = memberBy(
    () => [caller.gid, ...caller.groups()],
    hostGroup,
    (name) => warnings.push(unknownGroup(name)),
  );
  const section = ini && selectSection(ini, account.name, group.name, isMember);
  // Of a drop-in, if the section is there.
  log?.learn({ section: section?.name, file: section?.file ?? caller.configFile });
  const values = readKeys(section, keys);
  const problem = section && contradiction(section, values);
  if (problem !== undefined) values.problems.push(problem);
  requireNoErrors(values.problems, exitStatus);
  const warn = (one: Problem) => warnings.push(problemLine(one, display(one.file)));
  if (ini !== undefined) for (const one of ini.problems) warn(one);
  for (const one of values.problems) warn(one);
  if (section?.name !== "DEFAULT") for (const one of problems) warn(one);
  return { hasFile: ini !== undefined, section: section?.name, values, warnings };
}
