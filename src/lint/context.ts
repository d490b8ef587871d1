import type { ByteString } from "../../ffi/bytes.ts";
import type { FindingCode } from "../config/finding-codes.ts";
import type { Fix, IniEntry, IniFile, IniSection, Problem } from "../config/model.ts";
import type { listItems } from "../config/values.ts";
import type { HookedRepository } from "../programs/hooks.ts";
import type { OwnStart } from "../programs/own-start.ts";
import type { ProgramFiles } from "../programs/program.ts";

/** A place in a file. */
export interface Place {
  file: ByteString;
  line: number;
  column: number;
}

/** What stands at a path, as the lint sees it. */
export interface SeenFile {
  type: "file" | "directory" | "other";
  /** Somebody may execute it. */
  executable: boolean;
}

/** The machine, or the jail, that a config file is about. */
export interface LintWorld {
  userExists(name: ByteString): boolean;
  groupExists(name: ByteString): boolean;
  /** Of a jail: whether the machine has an account of this name, which may have left the jail. */
  isOutside(name: ByteString): boolean;
  /** Names to suggest where one is unknown. */
  userNames(): readonly ByteString[];
  groupNames(): readonly ByteString[];
  lookUp(path: ByteString): SeenFile | undefined;
  /** The command that brings in a program that is not there; undefined where nothing does. */
  bringIn(path: ByteString): ByteString | undefined;
  /** What there is to do so that everybody may execute a file of this machine or jail: a command, where root may type it. */
  letExecute(path: ByteString): ByteString;
  /** The paths of jails that are known. */
  jails(): readonly ByteString[];
  /** Links and identities, for what a program is. */
  files: ProgramFiles;
  /** A program that reads ~/.popt. */
  readsPopt(path: ByteString): boolean;
  /** What jk_lsh would let the programs of a section execute; undefined where the kernel cannot limit it. */
  execution(named: readonly ByteString[], executables: readonly ByteString[]): SeenExecution | undefined;
  /** The known server of which a program is a copy, byte by byte. */
  copyOfKnown(path: ByteString): ByteString | undefined;
  /** What a program starts itself, as far as its file shows it. */
  ownStart(path: ByteString): OwnStart | undefined;
  /** Repositories with hooks where a user keeps any; those of all users where none is named. */
  hookedRepositories(user: ByteString | undefined): readonly HookedRepository[];
  /** What a program gives whoever executes it, such as "is setuid"; undefined where nothing. */
  grantedBy(path: ByteString): string | undefined;
}

/** What the key `execute` in a section of jk_lsh.ini comes to. */
export interface SeenExecution {
  /** Directories that do not count, and why: a clause. */
  leftOut: readonly { path: ByteString; why: ByteString; unsafe?: UnsafeDirectory | undefined }[];
  /** An interpreter that a program needs, and that may not be executed. */
  blocked(path: ByteString): { path: ByteString; unsafe?: UnsafeDirectory | undefined } | undefined;
}

/** A directory of the system that others than root can write, for which nothing in it is executed. */
export interface UnsafeDirectory {
  /** On the host. */
  path: ByteString;
  /** The end of a sentence that begins with it. */
  because: ByteString;
  /** The command that mends it. */
  remedy: ByteString;
}

/** Where findings go. */
export type Report = (
  place: Place,
  severity: Problem["severity"],
  code: FindingCode,
  message: ByteString,
  fix?: Fix,
) => void;

/** What a check of one kind of file gets. */
export interface LintContext {
  readonly ini: IniFile;
  /** Its sections. */
  readonly byName: ReadonlyMap<ByteString, IniSection>;
  readonly world: LintWorld;
  readonly report: Report;
  /** What is told only once: directories, and circles of sections. */
  readonly told: Set<ByteString>;
}

/** The place of an entry's value. */
export function valuePlace(entry: IniEntry): Place {
  return { file: entry.file, line: entry.line, column: entry.valueColumn };
}

/** An item of a list. */
export type Item = ReturnType<typeof listItems>[number];

/** Where an item of a list stands, with the file of its entry. */
export function itemPlace(entry: IniEntry, item: Item): Place {
  return { file: entry.file, line: item.line, column: item.column };
}

/** The same item without what is wrong with its form; undefined where that cannot be told. */
export function mendedPath(path: ByteString): ByteString | undefined {
  if (!path.startsWith("/") || path.includes("\n")) return undefined;
  const parts: ByteString[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** How an item is mended that badPath objects to. */
export function pathFix(path: ByteString): Fix {
  if (path.includes("\n")) return { kind: "comma" };
  return { kind: "item", old: path, with: mendedPath(path) };
}

/** Says what is wrong with the form of an absolute path, as the end of a sentence; undefined where nothing is. */
export function badPath(path: ByteString): ByteString | undefined {
  if (!path.startsWith("/")) return "is not an absolute path";
  if (path.includes("\n")) return "goes over two lines: a comma is missing";
  if (/\/\.{1,2}(\/|$)/.test(path)) return "has '.' or '..' in it";
  if (path.includes("//")) return "has '//' in it";
  return undefined;
}
