import type { KeyTable, SectionValues } from "../keys.ts";
import { LOG_FORMAT } from "../log-format.ts";
import { flagKey, listKey } from "../values.ts";
import { confineKeys } from "./confine.ts";

/** Sections of jk_lsh.ini: a user, "group " or "member " and a group, or DEFAULT. */
export const lshKeys = {
  executables: {
    kind: "list",
    security: true,
    optional: true,
    help: "absolute paths of the programs that may be run",
  },
  allow: {
    kind: "allow",
    security: true,
    optional: true,
    filled: true,
    // A program in executables would be free of its word.
    strictest: "",
    help: "what users may do, in words such as 'rsync download', which need no executables; read and write say where",
  },
  paths: listKey("directories to search for a program that is given by its name alone"),
  command: {
    kind: "line",
    security: true,
    family: "NAME",
    help: "a pattern for a command line; with one or more, a command runs only if it matches one",
  },
  force: {
    kind: "line",
    security: true,
    help: "the command line that runs, whatever the client asks for",
  },
  allow_word_expansion: flagKey("expand wildcards, ~, variables and arithmetic in a command"),
  allow_spawn_options: flagKey(
    "servers such as rsync and git may start any other program: no argument is refused, and their environment is unchanged",
  ),
  umask: {
    kind: "octal",
    security: true,
    help: "the umask (octal) of the program; -1 (the default): unchanged",
  },
  environment: { kind: "pairs", security: false, help: "NAME=VALUE variables to set for the program" },
  env: listKey("names of more environment variables to keep"),
  ...confineKeys,
  log_format: LOG_FORMAT,
} as const satisfies KeyTable;

/** A section of jk_lsh.ini. With an error among its problems nothing may be run. */
export type LshSection = SectionValues<typeof lshKeys>;
