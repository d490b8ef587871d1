import type { ByteString } from "../../ffi/bytes.ts";
import { baseName, directoryOf } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import type { Candidates } from "./candidate.ts";
import { addDependency, type Dependencies, type Dependency, type DependencyProblems } from "./dependency.ts";
import type { DlopenSets } from "./dlopen-sets.ts";
import type { ElfFile } from "./elf/dynamic.ts";
import { badElf } from "./elf/reader.ts";
import type { Interpreter, Interpreters } from "./interpreter.ts";
import type { RootView } from "./root-view.ts";
import type { LoadedObject } from "./search/rpath.ts";
import type { LibrarySearch, NotFound } from "./search/search.ts";

/** The state for loading programs below one root directory. */
export interface LoadContext {
  view: RootView;
  candidates: Candidates;
  search: LibrarySearch;
  problems: DependencyProblems;
  interpreters: Interpreters;
  /** Undefined if libraries that are loaded at run time are not requested. */
  dlopenSets: DlopenSets | undefined;
}

const MOST_OBJECTS = 8192;

/** Libraries that are part of musl's loader. */
const MUSL_BUILT_IN = /^lib(?:c|pthread|rt|m|dl|util|xnet)\./;

/** Adds to `found` the libraries that `elf` at `path` loads, as its interpreter would. */
export function addElfDependencies(
  context: LoadContext,
  path: ByteString,
  elf: ElfFile,
  found: Dependencies,
): void {
  const interpreterSoname = addInterpreter(context, path, elf, found);
  if (elf.needed.length + elf.auxiliary.length + elf.dlopenNotes.length === 0) return;
  new ElfLoad(context, path, elf, found, interpreterSoname).run();
}

/** Adds PT_INTERP of a program. Returns its soname, if it is there. */
function addInterpreter(context: LoadContext, path: ByteString, elf: ElfFile, found: Dependencies) {
  const name = elf.interpreter;
  if (name === undefined) return undefined;
  const candidate = context.candidates.open(name, elf.header.abi);
  if (candidate.kind === "elf") {
    addDependency(found, { path: name, neededBy: path, kind: "interpreter", name });
    return candidate.elf.soname;
  }
  if (candidate.kind === "absent") {
    const why = "its interpreter, which is missing: install it, or leave the program out";
    context.problems.report(path, name, [name], why);
    return undefined;
  }
  // A hostile program could name any file there, which must not come into the jail.
  const what = candidate.kind === "not-elf" ? "is not an ELF file" : "is for another machine";
  throw badElf(path, `its interpreter ${display(name)} ${what}`);
}

/**
 * Loads one program or library, breadth first. Each name is searched once; the sonames of loaded libraries count as names
 * too.
 */
class ElfLoad {
  private readonly rules: Interpreter;
  private readonly queue: LoadedObject[];
  private readonly objects: Map<ByteString, LoadedObject>;
  private readonly names = new Map<ByteString, LoadedObject | "interpreter">();
  private readonly imports: Set<string>;
  /** The number of objects in the queue whose needed libraries, and those of their notes, are loaded. */
  private needed = 0;
  private noted = 0;

  constructor(
    private readonly context: LoadContext,
    path: ByteString,
    private readonly elf: ElfFile,
    private readonly found: Dependencies,
    interpreterSoname: ByteString | undefined,
  ) {
    const { view, interpreters } = context;
    const { abi } = elf.header;
    const musl = elf.needed.some((name) => name === "libc.so" || name.startsWith("libc.musl-"));
    const interpreter = elf.interpreter ?? interpreters.conventional(abi, musl);
    this.rules = interpreters.rulesOf(interpreter, abi);
    // ld.so takes $ORIGIN of a program from /proc/self/exe, which has no symbolic links in it.
    const origin = () => directoryOf(elf.interpreter === undefined ? path : (view.realPath(path) ?? path));
    const program: LoadedObject = { path, elf, origin, loader: undefined };
    this.queue = [program];
    this.objects = new Map([[path, program]]);
    this.imports = new Set(elf.imports);
    if (elf.soname !== undefined) this.names.set(elf.soname, program);
    this.names.set(interpreter, "interpreter");
    this.names.set(interpreterSoname ?? baseName(interpreter), "interpreter");
  }

  run(): void {
    const { dlopenSets } = this.context;
    this.loadNeeded();
    // The libraries loaded then may add more imports.
    for (let before = -1; dlopenSets !== undefined && before !== this.queue.length; ) {
      before = this.queue.length;
      this.loadNoted();
      this.loadSets(dlopenSets);
      this.loadNeeded();
    }
  }

  private loadNeeded(): void {
    for (let object = this.queue[this.needed]; object !== undefined; object = this.queue[++this.needed]) {
      for (const name of object.elf.auxiliary) this.load(name, object, "dlopen", "DT_AUXILIARY");
      for (const name of object.elf.needed) this.loadOrReport(name, object);
    }
  }

  private loadOrReport(name: ByteString, object: LoadedObject): void {
    const missing = this.load(name, object, "needed");
    if (missing === undefined) return;
    const why =
      missing.refused === undefined
        ? "which is missing: install the package that has it"
        : `but ${display(missing.refused)} is not an ELF file`;
    this.context.problems.report(object.path, name, missing.searched, why);
  }

  private loadNoted(): void {
    for (let object = this.queue[this.noted]; object !== undefined; object = this.queue[++this.noted]) {
      const from = object;
      for (const { sonames, feature, priority } of object.elf.dlopenNotes) {
        const reason = `${display(feature) || "optional"} (${priority}), by its .note.dlopen`;
        // The names are alternatives: the first that is found counts.
        if (priority !== "suggested")
          sonames.some((name) => this.load(name, from, "dlopen", reason) === undefined);
      }
    }
  }

  private loadSets(sets: DlopenSets): void {
    const libc = this.names.get("libc.so.6");
    if (this.rules.kind !== "glibc" || libc === undefined || libc === "interpreter") return;
    const libcrypto = [...this.objects.keys()].find((name) => /\/libcrypto\.so\.[0-9]+$/.test(name));
    const { imports } = this;
    for (const { name, reason } of sets({ imports, libcDirectory: directoryOf(libc.path), libcrypto })) {
      const missing = this.load(name, libc, "dlopen", reason);
      // Tables beside the modules, such as gconv-modules, are not ELF files.
      if (missing?.refused !== undefined && !name.endsWith(".so")) {
        addDependency(this.found, { path: name, neededBy: libc.path, kind: "dlopen", name, reason });
      }
    }
  }

  /** Loads the library `name` for `object`. Returns the failed search, if one failed. */
  private load(
    name: ByteString,
    object: LoadedObject,
    kind: "needed" | "dlopen",
    reason?: string,
  ): NotFound | undefined {
    if (this.isInterpreter(name)) {
      this.addInterpreterOfLibrary(name, object);
      return undefined;
    }
    if (this.names.has(name)) return undefined;
    const hit = this.context.search.find(name, object, this.rules);
    if (!("path" in hit)) return hit;
    const dependency: Dependency = { path: hit.path, neededBy: object.path, kind, name };
    addDependency(this.found, reason === undefined ? dependency : { ...dependency, reason });
    const before = this.objects.get(hit.path);
    const loaded = before ?? { ...hit, origin: () => directoryOf(hit.path), loader: object };
    this.names.set(name, loaded);
    if (before === undefined) this.enqueue(loaded);
    return undefined;
  }

  private enqueue(loaded: LoadedObject): void {
    const { soname, imports } = loaded.elf;
    if (soname !== undefined && !this.names.has(soname)) this.names.set(soname, loaded);
    for (const each of imports) this.imports.add(each);
    this.objects.set(loaded.path, loaded);
    this.queue.push(loaded);
    if (this.queue.length > MOST_OBJECTS)
      throw badElf(this.queue[0]?.path ?? "", `more than ${MOST_OBJECTS} libraries`);
  }

  private isInterpreter(name: ByteString): boolean {
    return this.names.get(name) === "interpreter" || (this.rules.kind === "musl" && MUSL_BUILT_IN.test(name));
  }

  /** The C library needs the interpreter by a name without a path. A library has no PT_INTERP, so this adds it. */
  private addInterpreterOfLibrary(name: ByteString, object: LoadedObject): void {
    const { path } = this.rules;
    if (this.elf.interpreter !== undefined) return;
    if (this.context.candidates.open(path, this.elf.header.abi).kind !== "elf") return;
    addDependency(this.found, { path, neededBy: object.path, kind: "interpreter", name });
  }
}
