import type { ByteString } from "../../ffi/bytes.ts";

/** The facts about files that identify a program and judge its arguments. */
export interface ProgramFiles {
  /** The text of the symbolic link at a path; undefined for anything else. */
  readLink(path: ByteString): ByteString | undefined;
  /** The file at a path, through symbolic links; undefined if it does not exist. */
  identity(path: ByteString): Identity | undefined;
  /** Owner and mode at a path; a symbolic link is not followed. Undefined if it does not exist. */
  look(path: ByteString): { uid: number; mode: number } | undefined;
}

/** Identifies a file. */
export interface Identity {
  /** Device and inode, for comparisons. */
  file: string;
  /** How many names it has. */
  links: number;
}

/** Changes to the environment that the session and jk_lsh.ini give a program. */
export interface ProgramEnvironment {
  /** Variables that are set, or (undefined) removed. */
  readonly set?: Readonly<Record<string, string | undefined>>;
  /** Variables of the session that it does not get, even if the key `env` names them. */
  readonly dropped?: RegExp;
  /** Pairs of git-config(1) that override those of files. */
  readonly gitConfig?: readonly (readonly [key: string, value: string])[];
}

/** An input by which a user may make a program start another, if the kernel does not limit it to `starts`. */
interface OpenInput {
  /** Completes "NAME starts ...". */
  readonly what: string;
  /** For the administrator; an imperative. */
  readonly advice: string;
}

/** A server program that the limited shell knows: a row of the table. */
export interface Program {
  /** Base names; the first names the family. */
  readonly names: readonly string[];
  /** The allowed command lines, for the manual. */
  readonly forms: readonly string[];
  /** Inputs that users can write, and our measures; sentences for the manual. */
  readonly inputs: string;
  /**
   * Why these arguments (without argv[0]) would make it start another program, as a phrase such as "option --rsh
   * starts other programs"; undefined if they would not. `invoked`: the base name that it is started under.
   */
  readonly refusal: (
    args: readonly ByteString[],
    invoked: ByteString,
    files: ProgramFiles,
  ) => string | undefined;
  /** Each of these, as the only argument, makes it print its version and exit, without starting anything. */
  readonly versions: readonly string[];
  readonly environment?: ProgramEnvironment;
  /**
   * The programs that it executes as a server: directories that only root can write, and files, by absolute path; missing
   * ones do not matter. Without any, the kernel refuses all executions. "system": it starts a shell, and only the key
   * `execute` limits it.
   */
  readonly starts?: readonly string[] | "system";
  readonly open?: readonly OpenInput[];
  /** The kind of hooks that its repositories may have, which do not run. */
  readonly hooks?: "git" | "hg";
}

/** Ends most reasons. */
export const START = "starts other programs";

/** Ends the reasons that begin with "only" and the allowed calls. */
export const CALLS = "can be called here, besides its version: other calls can start programs";
