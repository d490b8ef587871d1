import type { ByteString } from "../../ffi/bytes.ts";
import { MOST_LINKS } from "../../ffi/constants.ts";
import type { Stat } from "../../ffi/files.ts";
import { baseName } from "../../ffi/paths.ts";
import type { Identity, Program, ProgramFiles } from "./program.ts";
import { PROGRAMS } from "./table.ts";

/** The identity of the file of a Stat. */
export function identityOf({ devMajor, devMinor, ino, nlink }: Stat): Identity {
  return { file: `${devMajor}:${devMinor}:${ino}`, links: nlink };
}

const USUAL_DIRECTORIES = ["/usr/bin", "/usr/local/bin"];

/**
 * The base names of a program: the one that it is called by, those of the symbolic links on the way to the file, and, if
 * the file has several names, those of known programs that are the same file.
 */
function namesOf(path: ByteString, files: ProgramFiles): ByteString[] {
  const names = [baseName(path)];
  let at = path;
  for (let i = 0; i < MOST_LINKS; i++) {
    const target = files.readLink(at);
    if (target === undefined) break;
    at = target.startsWith("/") ? target : `${at.slice(0, at.lastIndexOf("/") + 1)}${target}`;
    names.push(baseName(at));
  }
  const own = files.identity(path);
  if (own === undefined || own.links < 2) return names;
  for (const name of PROGRAMS.flatMap((program) => program.names)) {
    if (USUAL_DIRECTORIES.some((directory) => files.identity(`${directory}/${name}`)?.file === own.file)) {
      names.push(name);
    }
  }
  return names;
}

/** Whether a name has no part to leave out. Without a pattern, which would cost a login time. */
function isPlain(name: ByteString): boolean {
  for (let i = 0; i < name.length; i++) {
    const sign = name.charAt(i);
    if (sign === "-" || sign === "." || (sign >= "0" && sign <= "9")) return false;
  }
  return true;
}

// NAME_MAX: no file has a longer name. A client may type one, and the patterns below take time quadratic in its length.
const LONGEST_NAME = 255;

/** A base name, and without its version, architecture or flavour. */
export function plainNames(name: ByteString): ByteString[] {
  const names = [name];
  if (name.length > LONGEST_NAME) return names;
  if (isPlain(name)) return names;
  let last = name;
  const reduce = (pattern: RegExp) => {
    const shorter = last.replace(pattern, "");
    if (shorter === "" || names.includes(shorter)) return;
    names.push(shorter);
    last = shorter;
  };
  reduce(/^(?:x86_64|aarch64)(?:-[a-z0-9_]+)*-linux-(?:gnu|musl)-/);
  reduce(FLAVOUR);
  reduce(/[-._]?v?[0-9]+(?:\.[0-9]+)*$/);
  reduce(/[-_]v?[0-9][\w.+~-]*$/);
  reduce(FLAVOUR);
  return names;
}

const FLAVOUR =
  /[-.](?:basic|tiny|nox|gtk|gtk2|gtk3|huge|minimal|traditional|openbsd|distrib|real|orig|text|static|classic)$/;

function rowOf(name: ByteString): Program | undefined {
  for (const program of PROGRAMS) if (program.names.includes(name)) return program;
  return undefined;
}

/** The row of the table for a base name. Names in the table need no pattern, which would cost a login time. */
function programNamed(name: ByteString): Program | undefined {
  const found = rowOf(name);
  if (found !== undefined) return found;
  for (const plain of plainNames(name)) {
    const program = rowOf(plain);
    if (program !== undefined) return program;
  }
  return undefined;
}

/** A program, as the table knows it. */
export interface Recognised {
  /** The base name that it is started under; some programs depend on it. */
  invoked: ByteString;
  /** Rows of the table; several if its names belong to several programs. */
  rows: Program[];
  /** Its names that are in no row. */
  others: ByteString[];
}

/**
 * Recognises the program at a path: by its name, by the names that symbolic links lead to, and by other names of the same
 * file. The rules of all of them apply.
 */
export function recognise(path: ByteString, files: ProgramFiles): Recognised {
  const names = new Set(namesOf(path, files));
  const rows = new Set<Program>();
  const others: ByteString[] = [];
  for (const name of names) {
    const program = programNamed(name);
    if (program !== undefined) rows.add(program);
    else others.push(name);
  }
  return { invoked: baseName(path), rows: [...rows], others };
}

/** Why these arguments (without argv[0]) would make a program start another; undefined if they would not. */
export function refusalOf(
  { rows, invoked }: Recognised,
  args: readonly ByteString[],
  files: ProgramFiles,
): string | undefined {
  for (const { refusal, versions } of rows) {
    if (args.length === 1 && versions.includes(args[0] ?? "")) continue;
    const reason = refusal(args, invoked, files);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/**
 * The directories and files that a program executes itself, by all rows of the table that it may be; maybe none. Undefined
 * for an unknown program, and for one that starts a shell: only the key `execute` limits these.
 */
export function startsOf(programs: readonly Program[]): readonly ByteString[] | undefined {
  if (programs.length === 0) return undefined;
  const all: ByteString[] = [];
  for (const { starts = [] } of programs) {
    if (starts === "system") return undefined;
    all.push(...starts);
  }
  return all;
}
