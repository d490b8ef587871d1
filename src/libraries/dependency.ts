import type { ByteString } from "../../ffi/bytes.ts";
import { baseName } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";

/** A file that another needs to run. */
export interface Dependency {
  /** As the loader finds it: without "." and "..", but symbolic links are not resolved. */
  readonly path: ByteString;
  /** The file that needs it: the program, or a library in between. */
  readonly neededBy: ByteString;
  readonly kind: "interpreter" | "needed" | "script" | "dlopen";
  /** The name in the file that needs it. */
  readonly name: ByteString;
  /** Why it may be loaded at run time; for "dlopen" only. */
  readonly reason?: string;
}

/** A missing file that another needs. */
export interface DependencyProblem {
  file: ByteString;
  /** The library or program as the file names it. */
  library: ByteString;
  /** The searched places, in order. */
  searched: readonly ByteString[];
  /** One printable line. */
  message: string;
}

/** The dependencies that one call has found, by path, in the order in which they were found. */
export type Dependencies = Map<ByteString, Dependency>;

/** Adds a file unless it was found before: the first file that needs it is recorded as the reason. */
export function addDependency(found: Dependencies, dependency: Dependency): void {
  if (!found.has(dependency.path)) found.set(dependency.path, dependency);
}

/** Missing dependencies so far, once for each file and library. */
export class DependencyProblems {
  private readonly problems = new Map<string, DependencyProblem>();

  /** `why` continues "FILE: needs LIBRARY, ". */
  report(file: ByteString, library: ByteString, searched: readonly ByteString[], why: string): void {
    const key = `${file}\0${library}`;
    if (this.problems.has(key)) return;
    const message = `${display(file)}: needs ${display(library)}, ${why}`;
    this.problems.set(key, { file, library, searched, message });
  }

  all(): DependencyProblem[] {
    return [...this.problems.values()];
  }
}

/** A dependency of a program that is missing in its root directory. */
export interface Missing {
  /** A printable line. */
  message: string;
  /** The paths to copy into the jail. */
  copy: readonly ByteString[];
  /** The exit status of the program. */
  exitStatus: number;
  /** The kernel needs it: execve(2) fails. */
  atExec?: boolean;
}

/** True for a path that is named like a shared library: libc.so.6, pam_unix.so. */
export function isLibraryName(path: ByteString): boolean {
  return /\.so(?:\.|$)/.test(baseName(path));
}
