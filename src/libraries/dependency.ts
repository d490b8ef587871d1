import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";

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

/** What one call has found, by path, in the order in which it was found. */
export type Dependencies = Map<ByteString, Dependency>;

/** Adds a file unless it is known: what needs it first is the answer to why it is there. */
export function addDependency(found: Dependencies, dependency: Dependency): void {
  if (!found.has(dependency.path)) found.set(dependency.path, dependency);
}

/** What was missing so far, once for each file and library. */
export interface ProblemList {
  /** `why` goes on from "FILE: needs LIBRARY, ". */
  report(file: ByteString, library: ByteString, searched: ByteString[], why: string): void;
  all(): DependencyProblem[];
}

/** An empty list. */
export function createProblemList(): ProblemList {
  const problems = new Map<string, DependencyProblem>();
  return {
    report(file, library, searched, why) {
      const key = `${file}\0${library}`;
      if (problems.has(key)) return;
      const message = `${display(file)}: needs ${display(library)}, ${why}`;
      problems.set(key, { file, library, searched, message });
    },
    all: () => [...problems.values()],
  };
}
