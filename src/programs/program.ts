import type { ByteString } from "../../ffi/bytes.ts";

/** What has to be known of files in order to see what a program is, and what it may be told. */
export interface ProgramFiles {
  /** What the symbolic link at a path holds; undefined where no link stands there. */
  readLink(path: ByteString): ByteString | undefined;
  /** Which file stands at a path, links followed; undefined for nothing. */
  identity(path: ByteString): Identity | undefined;
  /** Whose what stands at a path is, and its mode, a link not followed; undefined for nothing. */
  look(path: ByteString): { uid: number; mode: number } | undefined;
}

/** Which file it is. */
export interface Identity {
  /** Device and inode, for comparisons. */
  file: string;
  /** How many names it has. */
  links: number;
}

/** What a program gets over the environment that the session and jk_lsh.ini give. */
export interface ProgramEnvironment {
  /** Variables that it always gets, and (undefined) that it never gets. */
  readonly set?: Readonly<Record<string, string | undefined>>;
  /** Variables of the session that are not handed on to it, even where the key `env` names them. */
  readonly dropped?: RegExp;
  /** Pairs of git-config(1) that count more than those of any file. */
  readonly gitConfig?: readonly (readonly [key: string, value: string])[];
}

/** Something by which a user may make a program start another, where the kernel does not hold it to `starts`. */
export interface OpenInput {
  /** Completes "NAME starts what ...". */
  readonly what: string;
  /** What the administrator can do; an imperative. */
  readonly remedy: string;
}

/** A server program that the limited shell knows: a row of the table. */
export interface Program {
  /** Base names, the first is that of the family. */
  readonly names: readonly string[];
  /** The command lines that are let through, for the manual. */
  readonly forms: readonly string[];
  /** What it could read that users write, and what became of that, for the manual; sentences. */
  readonly inputs: string;
  /**
   * Why these arguments (without argv[0]) would make it start another program, as a phrase such as "option --rsh
   * starts other programs"; undefined where they would not. `invoked` is the base name that it is started under.
   */
  readonly refusal: (
    args: readonly ByteString[],
    invoked: ByteString,
    files: ProgramFiles,
  ) => string | undefined;
  /** Each of these, as the only argument, makes it print its version and end; it starts nothing then. */
  readonly versions: readonly string[];
  readonly environment: ProgramEnvironment;
  /**
   * What it executes itself, at work as a server: directories that root alone can write, and files, by absolute path;
   * what is missing does not count. None: the kernel refuses whatever else it would execute. "system" is for what
   * starts a shell: the key `execute` alone says what that may be.
   */
  readonly starts: readonly string[] | "system";
  readonly open: readonly OpenInput[];
  /** Its repositories may have hooks, which do not run: those of which program. */
  readonly hooks?: "git" | "hg";
}

/** Ends most reasons. */
export const START = "starts other programs";

/** Ends the reasons that begin with "only" and the calls that are let through. */
export const CALLS = "can be called here, besides its version: other calls can start programs";
