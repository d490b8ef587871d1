import type { ByteString } from "../../ffi/bytes.ts";
import { withRightsOf } from "../../ffi/rights.ts";
import { describeError } from "../cli/error.ts";
import { createLoader } from "../libraries/closure.ts";
import type { DependencyProblem, Missing } from "../libraries/dependency.ts";
import { missingPython } from "../libraries/python.ts";
import { fileSystemAt } from "../populate/file-system.ts";
import { installedCompanions, interpreterCompanion } from "../profile/companions.ts";
import type { ReportStep } from "./report.ts";
import { stepsOf } from "./steps.ts";

// The exit status of ld.so(8) and of shells.
const NOT_FOUND = 127;

/** The files that a program below `root` needs and that do not exist there. Nothing is run. */
function missingFiles(root: ByteString, program: ByteString): Missing[] {
  const missing = (message: string): Missing => ({ message, copy: [program], exitStatus: NOT_FOUND });
  try {
    using loader = createLoader({ root });
    loader.dependencies(program);
    const problems = loader.problems();
    if (problems.length > 0) return problems.map((problem) => lacking(root, program, problem));
    const python = missingPython(root, program);
    return python === undefined ? [] : [python];
  } catch (error) {
    return [missing(describeError(error))];
  }
}

function lacking(root: ByteString, program: ByteString, problem: DependencyProblem): Missing {
  const { message, library } = problem;
  using host = createLoader();
  const companions = installedCompanions(fileSystemAt(), host);
  const section = root === "/" ? undefined : interpreterCompanion(companions, problem)?.section;
  return {
    message: section === undefined ? message : message.replace(/: install .*$/, " in the jail"),
    ...{ copy: [program], section, exitStatus: NOT_FOUND, atExec: library.startsWith("/") },
  };
}

/** The steps about the files that a program below `root` needs; `ending`: the remedy and the exit status for each. */
export function librarySteps(
  stage: ReportStep["stage"],
  root: ByteString,
  program: ByteString,
  ending: (one: Missing) => { remedy: ByteString; exitStatus: number },
): ReportStep[] {
  const step = stepsOf(stage);
  const absolute = program.startsWith("/") ? program : `/${program}`;
  const missing = withRightsOf(undefined, () => missingFiles(root, absolute));
  if (missing.length === 0)
    return [step("libraries", "passed", `the libraries and interpreters of ${program} exist`)];
  return missing.map((one) => {
    const { remedy, exitStatus } = ending(one);
    return step("libraries", "failed", one.message, remedy, exitStatus);
  });
}
