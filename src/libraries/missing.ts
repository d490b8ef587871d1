import type { ByteString } from "../../ffi/bytes.ts";
import { describeError } from "../cli/error.ts";
import { createLoader } from "./closure.ts";
import { type DependencyProblem, isLibraryName, type Missing } from "./dependency.ts";
import { missingPython, withPythonLibraries } from "./python.ts";
import { RootView } from "./root-view.ts";

// The exit status of ld.so(8) and of shells.
const NOT_FOUND = 127;

/** The files that the program at a path below `root` needs and that do not exist there. Nothing is run. */
export function missingFiles(root: ByteString, program: ByteString): Missing[] {
  try {
    using loader = createLoader({ root });
    loader.dependencies(program);
    const problems = loader.problems();
    if (problems.length > 0) return problems.map((problem) => missingDependency(root, program, problem));
    const python = missingPython(root, program);
    return python === undefined ? [] : [python];
  } catch (error) {
    return [{ message: describeError(error), copy: [program], exitStatus: NOT_FOUND, atExec: false }];
  }
}

function missingDependency(root: ByteString, program: ByteString, problem: DependencyProblem): Missing {
  const { library, message } = problem;
  // What is missing in a jail is copied there.
  const shown = root === "/" ? message : message.replace(/: install .*$/, "");
  const copy = interpreterOnHost(problem) ?? [program];
  return { message: shown, copy, exitStatus: NOT_FOUND, atExec: library.startsWith("/") };
}

/**
 * The interpreter of a script, with what it does not start without: jk_cp leaves it out if it copies the script.
 * undefined for libraries, and for an interpreter that the host lacks.
 */
function interpreterOnHost({ library, searched }: DependencyProblem): ByteString[] | undefined {
  if (isLibraryName(library)) return undefined;
  using host = new RootView();
  const paths = library.includes("/") ? [library] : searched.map((directory) => `${directory}/${library}`);
  const path = paths.find((each) => host.realPath(each) !== undefined);
  return path === undefined ? undefined : withPythonLibraries(host, path);
}
