import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { display } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { Candidates } from "./candidate.ts";
import {
  addDependency,
  type Dependencies,
  type Dependency,
  type DependencyProblem,
  DependencyProblems,
} from "./dependency.ts";
import { createDlopenSets, dlopenFunctions } from "./dlopen-sets.ts";
import { type Abi, nativeAbi } from "./elf/abi.ts";
import { Interpreters } from "./interpreter.ts";
import { addElfDependencies, type LoadContext } from "./load.ts";
import { RootView, type Watch } from "./root-view.ts";
import { parseScriptLine, STANDARD_PATH } from "./script.ts";
import { LibrarySearch } from "./search/search.ts";

export interface LoaderOptions {
  /** The root directory, "/" by default. All paths are as seen from there. */
  root?: ByteString;
  /** Include libraries that programs load at run time (NSS, gconv, ...): see dlopen-sets.ts. Off by default. */
  dlopen?: boolean;
  /** The glibc-hwcaps subdirectories to search for an ABI, best first; those of this processor by default. */
  hwcaps?: (abi: Abi) => ByteString[];
  /** Told of each path that is looked at. */
  watch?: Watch;
}

/** Finds the dependencies of programs by reading files. Runs nothing, and caches what it has read. */
export type Loader = Omit<FileLoader, typeof Symbol.dispose>;

/** Creates a loader; leaving the scope of a `using` closes it. Throws SystemError if the root cannot be opened. */
export function createLoader(options: LoaderOptions = {}): Loader & Disposable {
  return new FileLoader(options);
}

/**
 * The files that the kernel executes besides the program at `path` below `root`: interpreters of scripts, and the dynamic
 * linker. Empty for a program that cannot be read.
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

/** Linux follows five interpreters of interpreters, then fails with ELOOP. */
const DEEPEST_SCRIPT = 5;

class FileLoader implements Disposable {
  private readonly context: LoadContext;
  private readonly results = new Map<ByteString, Dependency[]>();

  constructor({ root = "/", dlopen = false, hwcaps, watch }: LoaderOptions) {
    const view = new RootView(root, watch);
    const candidates = new Candidates(view, dlopen ? dlopenFunctions : undefined);
    this.context = {
      view,
      candidates,
      search: new LibrarySearch(view, candidates, hwcaps),
      problems: new DependencyProblems(),
      interpreters: new Interpreters(view),
      dlopenSets: dlopen ? createDlopenSets(view) : undefined,
    };
  }

  [Symbol.dispose](): void {
    this.context.view[Symbol.dispose]();
  }

  /**
   * All dependencies of a file, direct and indirect, without the file itself. Files other than ELF programs, libraries
   * and scripts have none. problems() reports missing files. Throws JailkitError: "bad-elf" naming an invalid file,
   * "unreadable".
   */
  dependencies(path: ByteString): Dependency[] {
    return this.results.getOrInsertComputed(path, () => this.find(path));
  }

  /** The missing files of all calls so far, once each. */
  problems(): DependencyProblem[] {
    return this.context.problems.all();
  }

  /** The library directories that exist in this root: of ld.so.conf, then the default ones. */
  libraryDirectories(): ByteString[] {
    const { view, search, interpreters } = this.context;
    const abi = nativeAbi();
    const rules = interpreters.rulesOf(interpreters.conventional(abi, false), abi);
    const configured = rules.kind === "musl" ? [] : search.conf().directories;
    return [...new Set([...configured, ...rules.directories])].filter((each) => view.isDirectory(each));
  }

  /** The directories of ld.so.conf, in which ldconfig(8) reads every library, whether they exist or not. */
  configuredDirectories(): ByteString[] {
    return this.context.search.conf().directories;
  }

  /** ld.so.conf and the files that it includes: ldconfig(8) needs them if libraries were found through them. */
  configurationFiles(): ByteString[] {
    return this.context.search.conf().files;
  }

  private find(path: ByteString): Dependency[] {
    const found: Dependencies = new Map();
    this.context.search.begin(path);
    try {
      this.addFile(path, found, 0);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      const message = `${display(path)}: cannot be examined: ${describeError(error)}`;
      throw new JailkitError("unreadable", 1, message);
    }
    found.delete(path);
    return [...found.values()];
  }

  private addFile(path: ByteString, found: Dependencies, depth: number): void {
    const candidate = this.context.candidates.open(path, undefined);
    if (candidate.kind === "elf") addElfDependencies(this.context, path, candidate.elf, found);
    if (candidate.kind === "not-elf") this.addScript(path, candidate.start, found, depth);
  }

  private addScript(path: ByteString, start: ByteString, found: Dependencies, depth: number): void {
    const line = parseScriptLine(start);
    if (line === undefined) return;
    this.addProgram(path, line.interpreter, line.interpreter, found, depth);
    const name = line.lookedUp;
    if (name === undefined) return;
    const inPath = STANDARD_PATH.map((directory) => `${directory}/${name}`);
    const program = name.includes("/") ? name : inPath.find((each) => this.isExecutable(each));
    if (program !== undefined) this.addProgram(path, program, name, found, depth);
    else this.context.problems.report(path, name, STANDARD_PATH, "a program that is missing: install it");
  }

  /** Adds a program that a script names, with its dependencies. */
  private addProgram(
    script: ByteString,
    path: ByteString,
    name: ByteString,
    found: Dependencies,
    depth: number,
  ): void {
    const { problems } = this.context;
    if (!path.startsWith("/")) {
      const why = "an interpreter that depends on the current directory: write its full path";
      problems.report(script, name, [], why);
    } else if (depth >= DEEPEST_SCRIPT) {
      problems.report(script, name, [path], "an interpreter that is itself a script, too many times over");
    } else if (!this.isExecutable(path)) {
      // Otherwise a script could bring any file into the jail.
      problems.report(script, name, [path], "a program that is missing or not executable: install it");
    } else {
      addDependency(found, { path, neededBy: script, kind: "script", name });
      this.addFile(path, found, depth + 1);
    }
  }

  private isExecutable(path: ByteString): boolean {
    return this.context.view.withFile(path, (_, { mode }) => (mode & 0o111) !== 0) ?? false;
  }
}
