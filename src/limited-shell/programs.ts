import type { ByteString } from "../../ffi/bytes.ts";
import type { LshSection } from "../config/schemas/lsh.ts";
import type { CommandPattern } from "./command-pattern.ts";
import { splitWords } from "./split.ts";

/** Whether there is a regular file at a path. */
type IsFile = (path: ByteString) => boolean;

/** Where the programs of commands are looked for in a section that names them only in `command` or `force`. */
const USUAL_PATHS = ["/usr/bin", "/bin"];

/** The first regular file: the word itself if it is absolute, then the word below each of `paths`. */
export function findProgram(word: ByteString, paths: readonly ByteString[], isFile: IsFile): ByteString {
  if (word.startsWith("/") && isFile(word)) return word;
  for (const directory of paths) {
    const path = directory.endsWith("/") ? directory + word : `${directory}/${word}`;
    if (isFile(path)) return path;
  }
  return word;
}

/** The file that the program of a pattern stands for: a name stands for the file that is found in `paths`. */
export const fileOf = (program: ByteString, paths: readonly ByteString[], isFile: IsFile): ByteString =>
  program.startsWith("/") ? program : findProgram(program, paths, isFile);

/** Whether a pattern is for the file at a path. */
export function isFor(
  { programs }: CommandPattern,
  path: ByteString,
  paths: readonly ByteString[],
  isFile: IsFile,
): boolean {
  for (const program of programs) if (fileOf(program, paths, isFile) === path) return true;
  return false;
}

/**
 * The keys `executables` and `paths` of a section, completed for one that has `command` or `force`: without `executables`,
 * the programs of `force` or else of the patterns may be executed, a name by its path in `paths`; without `paths`, these
 * are /usr/bin and /bin. Throws a JailkitError if `force` cannot be split into words.
 */
export function allowedPrograms(
  { executables, paths, force }: Pick<LshSection, "executables" | "paths" | "force">,
  patterns: readonly CommandPattern[],
  isFile: IsFile,
): { executables: ByteString[] | undefined; paths: ByteString[] } {
  if (patterns.length === 0 && force === undefined) return { executables, paths };
  const searched = paths.length === 0 ? USUAL_PATHS : paths;
  if (executables !== undefined) return { executables, paths: searched };
  const named: ByteString[] = [];
  if (force !== undefined) named.push(splitWords(force)[0] ?? "");
  else for (const { programs } of patterns) for (const program of programs) named.push(program);
  const found = new Set<ByteString>();
  for (const program of named) {
    const path = fileOf(program, searched, isFile);
    if (path.startsWith("/")) found.add(path);
  }
  return { executables: [...found], paths: searched };
}
