import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { close, readAt } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { type Abi, abiKey, abiOf } from "./abi.ts";
import { dlopenFunctions, dlopenRequests } from "./dlopen-sets.ts";
import type { ElfFile } from "./elf-dynamic.ts";
import { badElf } from "./elf-reader.ts";
import { conventionalInterpreter, type Interpreter, readInterpreterRules } from "./interpreter.ts";
import { createRootView } from "./root-view.ts";
import { parseScriptLine, SCRIPT_LINE_LIMIT, STANDARD_PATH } from "./script.ts";
import { createLibrarySearch, type LoadedObject } from "./search.ts";

/** A file that another needs to run. */
export interface Dependency {
  /** Where the loader finds it: links in it are not resolved, "." and ".." are. */
  path: ByteString;
  /** The file that needs it: the program, or a library in between. */
  neededBy: ByteString;
  kind: "interpreter" | "needed" | "script" | "dlopen";
  /** The name by which it is asked for. */
  name: ByteString;
  /** Why it may be loaded at run time; for "dlopen" only. */
  reason?: string;
}

/** Something that a file needs and that is not there. */
export interface DependencyProblem {
  file: ByteString;
  /** The library or program as the file names it. */
  library: ByteString;
  /** Where it was looked for, in order. */
  searched: ByteString[];
  /** One printable line. */
  message: string;
}

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

/** Linux follows five interpreters of interpreters, then gives up with ELOOP. */
const DEEPEST_SCRIPT = 5;
const MOST_OBJECTS = 8192;

const muslBuiltIn = /^lib(?:c|pthread|rt|m|dl|util|xnet)\./;

function directoryOf(path: ByteString): ByteString {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** Creates a loader; see Loader. Throws SystemError where the root cannot be opened. */
export function createLoader(options: LoaderOptions = {}): Loader {
  const view = createRootView(options.root ?? "/");
  const wanted = options.dlopen === true ? dlopenFunctions : undefined;
  const search = createLibrarySearch(view, wanted, options.hwcaps);
  const interpreters = new Map<string, Interpreter>();
  const results = new Map<ByteString, Dependency[]>();
  const problems = new Map<string, DependencyProblem>();

  function report(file: ByteString, library: ByteString, searched: ByteString[], why: string): void {
    const message = `${display(file)}: needs ${display(library)}, ${why}`;
    const key = `${file}\0${library}`;
    if (!problems.has(key)) problems.set(key, { file, library, searched, message });
  }

  function rulesOf(path: ByteString, abi: Abi): Interpreter {
    const key = `${path}\0${abiKey(abi)}`;
    let rules = interpreters.get(key);
    if (rules === undefined) {
      rules = readInterpreterRules(view, path, abi);
      interpreters.set(key, rules);
    }
    return rules;
  }

  type Collected = Map<ByteString, Dependency>;

  function add(found: Collected, dependency: Dependency): void {
    if (!found.has(dependency.path)) found.set(dependency.path, dependency);
  }

  /** The interpreter of a program goes with it; that of a library is a guess, and goes where it is needed. */
  function addInterpreter(path: ByteString, elf: ElfFile, found: Collected): ElfFile | undefined {
    const name = elf.interpreter;
    if (name === undefined) return undefined;
    const candidate = search.open(name, elf.header.abi);
    if (candidate.kind === "elf") {
      add(found, { path: name, neededBy: path, kind: "interpreter", name });
      return candidate.elf;
    }
    if (candidate.kind === "absent") {
      report(path, name, [name], "its interpreter, which is not there: install it, or leave the program out");
      return undefined;
    }
    // Any file could be named there, and would come into the jail.
    const what = candidate.kind === "not-elf" ? "is not an ELF file" : "is for another machine";
    throw badElf(path, `its interpreter ${display(name)} ${what}`);
  }

  function addElf(path: ByteString, elf: ElfFile, found: Collected): void {
    const loaderElf = addInterpreter(path, elf, found);
    if (elf.needed.length === 0 && elf.auxiliary.length === 0 && elf.dlopenNotes.length === 0) {
      // A plug-in may import from the program's libraries without naming them; a static program has none.
      if (elf.imports.size === 0) return;
    }
    const { abi } = elf.header;
    const musl = elf.needed.some((name) => name === "libc.so" || name.startsWith("libc.musl-"));
    const interpreter = elf.interpreter ?? conventionalInterpreter(view, abi, musl);
    const rules = rulesOf(interpreter, abi);

    // /proc/self/exe, from which ld.so takes $ORIGIN of a program, has no links in it.
    const origin = directoryOf(elf.interpreter === undefined ? path : (view.realPath(path) ?? path));
    const program: LoadedObject = { path, elf, origin, loader: undefined };
    const queue = [program];
    const objects = new Map<ByteString, LoadedObject>([[path, program]]);
    // A name is looked for once: under it, or as its soname, the library is known from then on.
    const names = new Map<ByteString, LoadedObject | "interpreter">();
    const imports = new Set(elf.imports);
    if (elf.soname !== undefined) names.set(elf.soname, program);

    const interpreterNames = [interpreter, interpreter.slice(interpreter.lastIndexOf("/") + 1)];
    if (loaderElf?.soname !== undefined) interpreterNames.push(loaderElf.soname);
    for (const name of interpreterNames) names.set(name, "interpreter");

    function isInterpreter(name: ByteString): boolean {
      if (rules.kind === "musl" && muslBuiltIn.test(name)) return true;
      return names.get(name) === "interpreter";
    }

    function load(
      name: ByteString,
      object: LoadedObject,
      kind: "needed" | "dlopen",
      reason?: string,
    ): boolean {
      if (isInterpreter(name)) {
        // A library's C library needs the loader, by a name that is no path.
        if (elf.interpreter === undefined && search.open(interpreter, abi).kind === "elf") {
          add(found, { path: interpreter, neededBy: object.path, kind: "interpreter", name });
        }
        return true;
      }
      if (names.has(name)) return true;
      const hit = search.find(name, object, rules);
      if (!("path" in hit)) {
        if (kind === "dlopen") return false;
        const why =
          hit.refused === undefined
            ? "which is not there: install the package that has it"
            : `but ${display(hit.refused)} is not an ELF file`;
        report(object.path, name, hit.searched, why);
        return false;
      }
      if (hit.path !== path) {
        add(found, {
          path: hit.path,
          neededBy: object.path,
          kind,
          name,
          ...(reason !== undefined && { reason }),
        });
      }
      const known = objects.get(hit.path);
      const loaded = known ?? { path: hit.path, elf: hit.elf, origin: directoryOf(hit.path), loader: object };
      names.set(name, loaded);
      if (known !== undefined) return true;
      if (hit.elf.soname !== undefined && !names.has(hit.elf.soname)) names.set(hit.elf.soname, loaded);
      for (const each of hit.elf.imports) imports.add(each);
      objects.set(hit.path, loaded);
      queue.push(loaded);
      if (queue.length > MOST_OBJECTS) throw badElf(path, `more than ${MOST_OBJECTS} libraries`);
      return true;
    }

    let next = 0;
    function loadNeeded(): void {
      // Breadth first, as ld.so: it decides which of two libraries of one soname is taken.
      for (; next < queue.length; next++) {
        const object = queue[next];
        if (object === undefined) break;
        for (const name of object.elf.auxiliary) load(name, object, "dlopen", "DT_AUXILIARY");
        for (const name of object.elf.needed) load(name, object, "needed");
      }
    }

    function loadDlopened(): void {
      for (const object of queue.slice()) {
        for (const note of object.elf.dlopenNotes) {
          if (note.priority === "suggested") continue;
          // The names are alternatives.
          const reason = `${note.feature || "optional"} (${note.priority}), by its .note.dlopen`;
          note.sonames.some((name) => load(name, object, "dlopen", reason));
        }
      }
      const libc = names.get("libc.so.6");
      if (rules.kind !== "glibc" || libc === undefined || libc === "interpreter") return;
      const libraries = new Set(objects.keys());
      for (const request of dlopenRequests({
        view,
        imports,
        libcDirectory: directoryOf(libc.path),
        libraries,
      })) {
        if (load(request.name, libc, "dlopen", request.reason)) continue;
        addData(request.name, libc.path, request.reason);
      }
    }

    /** Tables beside the modules, such as gconv-modules, are no ELF files. */
    function addData(name: ByteString, neededBy: ByteString, reason: string): void {
      if (!name.startsWith("/") || name.endsWith(".so")) return;
      const opened = view.openFile(name);
      if (opened === undefined) return;
      close(opened.fd);
      add(found, { path: name, neededBy, kind: "dlopen", name, reason });
    }

    loadNeeded();
    // What was loaded may ask for more.
    for (let before = -1; wanted !== undefined && before !== queue.length; ) {
      before = queue.length;
      loadDlopened();
      loadNeeded();
    }
  }

  function addScript(path: ByteString, start: ByteString, found: Collected, depth: number): void {
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
    if (hit === undefined) report(path, name, [...STANDARD_PATH], "a program that is not there: install it");
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
    found: Collected,
    depth: number,
  ): void {
    if (!path.startsWith("/")) {
      report(script, name, [], "an interpreter that depends on the current directory: write its full path");
    } else if (depth >= DEEPEST_SCRIPT) {
      report(script, name, [path], "an interpreter that is a script itself, too many times over");
    } else if (!isExecutable(path)) {
      // Not only for the kernel's sake: a script could name any file, and bring it into the jail.
      report(script, name, [path], "a program that is not there or not executable: install it");
    } else {
      add(found, { path, neededBy: script, kind: "script", name });
      addFile(path, found, depth + 1);
    }
  }

  function addFile(path: ByteString, found: Collected, depth: number): void {
    const opened = view.openFile(path);
    if (opened === undefined) return;
    let start: ByteString;
    try {
      const bytes = new Uint8Array(SCRIPT_LINE_LIMIT);
      start = fromBytes(bytes, 0, readAt(opened.fd, bytes, 0));
    } finally {
      close(opened.fd);
    }
    if (start.startsWith("#!")) addScript(path, start, found, depth);
    if (!start.startsWith("\x7fELF")) return;
    const candidate = search.open(path, undefined);
    if (candidate.kind === "elf") addElf(path, candidate.elf, found);
  }

  function dependencies(path: ByteString): Dependency[] {
    const known = results.get(path);
    if (known !== undefined) return known;
    const found: Collected = new Map();
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
    const path = conventionalInterpreter(view, abi, false);
    const rules = rulesOf(path, abi);
    const all =
      rules.kind === "musl" ? rules.directories : [...search.conf().directories, ...rules.directories];
    return [...new Set(all)].filter((directory) => view.isDirectory(directory));
  }

  return {
    dependencies,
    problems: () => [...problems.values()],
    libraryDirectories,
    configurationFiles: () => [...search.conf().files],
    close: view.close,
  };
}
