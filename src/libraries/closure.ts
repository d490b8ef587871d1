import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { close } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { createCandidates } from "./candidate.ts";
import {
  addDependency,
  createProblemList,
  type Dependencies,
  type Dependency,
  type DependencyProblem,
} from "./dependency.ts";
import { createDlopenSets, dlopenFunctions } from "./dlopen-sets.ts";
import { type Abi, abiOf } from "./elf/abi.ts";
import { addElfDependencies, createInterpreterLookUp, type LoadContext } from "./load.ts";
import { createRootView } from "./root-view.ts";
import { parseScriptLine, STANDARD_PATH } from "./script.ts";
import { createLibrarySearch } from "./search/search.ts";

export type { Dependency, DependencyProblem };

/** What createLoader takes. */
export interface LoaderOptions {
  /** The directory whose file system is looked at, "/" by default. All paths in and out are as seen from there. */
  root?: ByteString;
  /** Also what programs load at run time (NSS, gconv, ...): see dlopen-sets.ts. Off by default. */
  dlopen?: boolean;
  /** The glibc-hwcaps subdirectories to search for an ABI, best first; those of this processor by default. */
  hwcaps?: (abi: Abi) => ByteString[];
}

/** Finds what programs need, by reading files alone: nothing is ever run. It remembers what it has read. */
export interface Loader {
  /**
   * All that the file needs to run, directly and through others, without itself: ELF programs and libraries,
   * scripts; nothing for other files. Files that are missing are told by problems(). Throws JailkitError:
   * "bad-elf" naming a file that makes no sense, "unreadable".
   */
  dependencies(path: ByteString): Dependency[];
  /** What was missing in all calls so far, once each. */
  problems(): DependencyProblem[];
  /** Where libraries stand in this root: ld.so.conf, then the default directories, those that exist. */
  libraryDirectories(): ByteString[];
  /** ld.so.conf and the files that it includes: ldconfig(8) needs them where libraries were found through them. */
  configurationFiles(): ByteString[];
  /** Gives back the descriptor on the root. */
  close(): void;
}

/**
 * What the kernel executes besides the program at `path` below `root`: the interpreters of scripts, and the dynamic
 * linker. What cannot be read has none.
 */
export function executedFiles(root: ByteString, path: ByteString): ByteString[] {
  using loader = createLoader({ root });
  try {
    const found = loader.dependencies(path);
    return found.flatMap((one) => (one.kind === "interpreter" || one.kind === "script" ? [one.path] : []));
  } catch (error) {
    if (error instanceof JailkitError) return [];
    throw error;
  }
}

/** Linux follows five interpreters of interpreters, then gives up with ELOOP. */
const DEEPEST_SCRIPT = 5;

/** Creates a loader; see Loader. Leaving the scope of a `using` closes it. Throws SystemError where the root cannot be opened. */
export function createLoader(options: LoaderOptions = {}): Loader & Disposable {
  const view = createRootView(options.root ?? "/");
  const dlopen = options.dlopen === true;
  const open = createCandidates(view, dlopen ? dlopenFunctions : undefined);
  const search = createLibrarySearch(view, open, options.hwcaps);
  const problems = createProblemList();
  const context: LoadContext = {
    view,
    open,
    search,
    problems,
    dlopenSets: dlopen ? createDlopenSets(view) : undefined,
    ...createInterpreterLookUp(view),
  };
  const results = new Map<ByteString, Dependency[]>();

  function addScript(path: ByteString, start: ByteString, found: Dependencies, depth: number): void {
    const line = parseScriptLine(start);
    if (line === undefined) return;
    addProgram(path, line.interpreter, line.interpreter, found, depth);
    const name = line.lookedUp;
    if (name === undefined) return;
    if (name.includes("/")) {
      addProgram(path, name, name, found, depth);
      return;
    }
    const candidates = STANDARD_PATH.map((directory) => `${directory}/${name}`);
    const hit = candidates.find((candidate) => isExecutable(candidate));
    if (hit === undefined)
      problems.report(path, name, [...STANDARD_PATH], "a program that is not there: install it");
    else addProgram(path, hit, name, found, depth);
  }

  function isExecutable(path: ByteString): boolean {
    const opened = view.openFile(path);
    if (opened === undefined) return false;
    close(opened.fd);
    return (opened.stat.mode & 0o111) !== 0;
  }

  function addProgram(
    script: ByteString,
    path: ByteString,
    name: ByteString,
    found: Dependencies,
    depth: number,
  ): void {
    if (!path.startsWith("/")) {
      problems.report(
        script,
        name,
        [],
        "an interpreter that depends on the current directory: write its full path",
      );
    } else if (depth >= DEEPEST_SCRIPT) {
      problems.report(script, name, [path], "an interpreter that is a script itself, too many times over");
    } else if (!isExecutable(path)) {
      // Not only for the kernel's sake: a script could name any file, and bring it into the jail.
      problems.report(script, name, [path], "a program that is not there or not executable: install it");
    } else {
      addDependency(found, { path, neededBy: script, kind: "script", name });
      addFile(path, found, depth + 1);
    }
  }

  function addFile(path: ByteString, found: Dependencies, depth: number): void {
    const candidate = open(path, undefined);
    if (candidate.kind === "elf") addElfDependencies(context, path, candidate.elf, found);
    if (candidate.kind === "not-elf") addScript(path, candidate.start, found, depth);
  }

  function dependencies(path: ByteString): Dependency[] {
    const known = results.get(path);
    if (known !== undefined) return known;
    const found: Dependencies = new Map();
    search.begin(path);
    try {
      addFile(path, found, 0);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      throw new JailkitError(
        "unreadable",
        1,
        `${display(path)}: cannot be examined: ${describeError(error)}`,
      );
    }
    found.delete(path);
    const result = [...found.values()];
    results.set(path, result);
    return result;
  }

  function libraryDirectories(): ByteString[] {
    const arm = process.arch === "arm64";
    const abi = abiOf(64, true, arm ? 183 : 62, 0);
    const path = context.interpreterOf(abi, false);
    const rules = context.rulesOf(path, abi);
    const all =
      rules.kind === "musl" ? rules.directories : [...search.conf().directories, ...rules.directories];
    return [...new Set(all)].filter((directory) => view.isDirectory(directory));
  }

  return {
    dependencies,
    problems: problems.all,
    libraryDirectories,
    configurationFiles: () => [...search.conf().files],
    close: view.close,
    [Symbol.dispose]: view.close,
  };
}
