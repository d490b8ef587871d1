import type { ByteString } from "../../ffi/bytes.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import type { OpenCandidate } from "./candidate.ts";
import { addDependency, type Dependencies, type ProblemList } from "./dependency.ts";
import type { DlopenSets } from "./dlopen-sets.ts";
import { type Abi, abiKey } from "./elf/abi.ts";
import type { ElfFile } from "./elf/dynamic.ts";
import { badElf } from "./elf/reader.ts";
import { conventionalInterpreter, type Interpreter, readInterpreterRules } from "./interpreter.ts";
import type { RootView } from "./root-view.ts";
import type { LibrarySearch, LoadedObject } from "./search/search.ts";

/** What the loading of programs shares within one root. */
export interface LoadContext {
  view: RootView;
  open: OpenCandidate;
  search: LibrarySearch;
  problems: ProblemList;
  /** Undefined where what is loaded at run time is not asked for. */
  dlopenSets: DlopenSets | undefined;
  rulesOf(interpreter: ByteString, abi: Abi): Interpreter;
  /** The interpreter to go by in a file that names none. */
  interpreterOf(abi: Abi, musl: boolean): ByteString;
}

const MOST_OBJECTS = 8192;

/** Names for which musl's loader stands in itself. */
const muslBuiltIn = /^lib(?:c|pthread|rt|m|dl|util|xnet)\./;

/** Remembers `rulesOf` and `interpreterOf` for a root. */
export function createInterpreterLookUp(view: RootView): Pick<LoadContext, "rulesOf" | "interpreterOf"> {
  const rules = new Map<string, Interpreter>();
  const paths = new Map<string, ByteString>();
  return {
    rulesOf(path, abi) {
      const key = `${path}\0${abiKey(abi)}`;
      const known = rules.get(key) ?? readInterpreterRules(view, path, abi);
      rules.set(key, known);
      return known;
    },
    interpreterOf(abi, musl) {
      const key = `${musl} ${abiKey(abi)}`;
      const known = paths.get(key) ?? conventionalInterpreter(view, abi, musl);
      paths.set(key, known);
      return known;
    },
  };
}

/** Adds PT_INTERP of a program; its soname, if it is there. */
function addInterpreter(context: LoadContext, path: ByteString, elf: ElfFile, found: Dependencies) {
  const name = elf.interpreter;
  if (name === undefined) return undefined;
  const candidate = context.open(name, elf.header.abi);
  if (candidate.kind === "elf") {
    addDependency(found, { path: name, neededBy: path, kind: "interpreter", name });
    return candidate.elf.soname;
  }
  if (candidate.kind === "absent") {
    const why = "its interpreter, which is not there: install it, or leave the program out";
    context.problems.report(path, name, [name], why);
    return undefined;
  }
  // Any file could be named there, and would come into the jail.
  const what = candidate.kind === "not-elf" ? "is not an ELF file" : "is for another machine";
  throw badElf(path, `its interpreter ${display(name)} ${what}`);
}

/**
 * Adds to `found` what the program or library `elf` at `path` loads, as its interpreter would: breadth first,
 * each name looked for once, known also by the sonames of what was loaded already.
 */
export function addElfDependencies(
  context: LoadContext,
  path: ByteString,
  elf: ElfFile,
  found: Dependencies,
): void {
  const { view, search, problems, dlopenSets } = context;
  const interpreterSoname = addInterpreter(context, path, elf, found);
  if (elf.needed.length + elf.auxiliary.length + elf.dlopenNotes.length === 0) return;
  const { abi } = elf.header;
  const musl = elf.needed.some((name) => name === "libc.so" || name.startsWith("libc.musl-"));
  const interpreter = elf.interpreter ?? context.interpreterOf(abi, musl);
  const rules = context.rulesOf(interpreter, abi);

  // /proc/self/exe, from which ld.so takes $ORIGIN of a program, has no links in it.
  const origin = () => directoryOf(elf.interpreter === undefined ? path : (view.realPath(path) ?? path));
  const program: LoadedObject = { path, elf, origin, loader: undefined };
  const queue = [program];
  const objects = new Map<ByteString, LoadedObject>([[path, program]]);
  const names = new Map<ByteString, LoadedObject | "interpreter">();
  const imports = new Set(elf.imports);
  if (elf.soname !== undefined) names.set(elf.soname, program);
  names.set(interpreter, "interpreter");
  names.set(interpreterSoname ?? interpreter.slice(interpreter.lastIndexOf("/") + 1), "interpreter");

  function isInterpreter(name: ByteString): boolean {
    return names.get(name) === "interpreter" || (rules.kind === "musl" && muslBuiltIn.test(name));
  }

  /** The library `name` for `object`: the outcome of the search, where there was one. */
  function load(name: ByteString, object: LoadedObject, kind: "needed" | "dlopen", reason?: string) {
    if (isInterpreter(name)) {
      // The C library needs it by a name that is no path; where the program has none, this is why it goes in.
      if (elf.interpreter === undefined && context.open(interpreter, abi).kind === "elf") {
        addDependency(found, { path: interpreter, neededBy: object.path, kind: "interpreter", name });
      }
      return undefined;
    }
    if (names.has(name)) return undefined;
    const hit = search.find(name, object, rules);
    if (!("path" in hit)) return hit;
    addDependency(found, {
      path: hit.path,
      neededBy: object.path,
      kind,
      name,
      ...(reason !== undefined && { reason }),
    });
    const known = objects.get(hit.path);
    const loaded = known ?? { ...hit, origin: () => directoryOf(hit.path), loader: object };
    names.set(name, loaded);
    if (known !== undefined) return undefined;
    const { soname } = hit.elf;
    if (soname !== undefined && !names.has(soname)) names.set(soname, loaded);
    for (const each of hit.elf.imports) imports.add(each);
    objects.set(hit.path, loaded);
    queue.push(loaded);
    if (queue.length > MOST_OBJECTS) throw badElf(path, `more than ${MOST_OBJECTS} libraries`);
    return undefined;
  }

  function needed(name: ByteString, object: LoadedObject): void {
    const missing = load(name, object, "needed");
    if (missing === undefined) return;
    const why =
      missing.refused === undefined
        ? "which is not there: install the package that has it"
        : `but ${display(missing.refused)} is not an ELF file`;
    problems.report(object.path, name, missing.searched, why);
  }

  let next = 0;
  function loadNeeded(): void {
    for (; next < queue.length; next++) {
      const object = queue[next];
      if (object === undefined) break;
      for (const name of object.elf.auxiliary) load(name, object, "dlopen", "DT_AUXILIARY");
      for (const name of object.elf.needed) needed(name, object);
    }
  }

  let noted = 0;
  function loadNoted(): void {
    for (; noted < queue.length; noted++) {
      const object = queue[noted];
      if (object === undefined) break;
      for (const { sonames, feature, priority } of object.elf.dlopenNotes) {
        const reason = `${display(feature) || "optional"} (${priority}), by its .note.dlopen`;
        // The names are alternatives, of which the first that is there counts.
        if (priority !== "suggested")
          sonames.some((name) => load(name, object, "dlopen", reason) === undefined);
      }
    }
  }

  function loadSets(sets: DlopenSets): void {
    const libc = names.get("libc.so.6");
    if (rules.kind !== "glibc" || libc === undefined || libc === "interpreter") return;
    const crypto = [...objects.keys()].find((name) => /\/libcrypto\.so\.[0-9]+$/.test(name));
    for (const { name, reason } of sets({
      imports,
      libcDirectory: directoryOf(libc.path),
      libcrypto: crypto,
    })) {
      const missing = load(name, libc, "dlopen", reason);
      // Tables beside the modules, such as gconv-modules, are no ELF files.
      if (missing?.refused !== undefined && !name.endsWith(".so")) {
        addDependency(found, { path: name, neededBy: libc.path, kind: "dlopen", name, reason });
      }
    }
  }

  loadNeeded();
  // What is loaded then may ask for more.
  for (let before = -1; dlopenSets !== undefined && before !== queue.length; ) {
    before = queue.length;
    loadNoted();
    loadSets(dlopenSets);
    loadNeeded();
  }
}
