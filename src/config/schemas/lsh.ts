import type { KeyTable, SectionValues } from "../keys.ts";

/** Sections of jk_lsh.ini: a user, "group " and a group, or DEFAULT. */
export const lshKeys = {
  executables: {
    kind: "list",
    security: true,
    optional: true,
    help: "absolute paths of the programs that may be run",
  },
  paths: {
    kind: "list",
    security: false,
    help: "directories where a program is looked for that is given by its name alone",
  },
  allow_word_expansion: {
    kind: "flag",
    security: true,
    help: "1: wildcards, ~, variables and arithmetic in a command are expanded",
  },
  allow_spawn_options: {
    kind: "flag",
    security: true,
    help: "1: servers such as rsync and git may start any other program: no arguments are refused, and they get the environment as it is",
  },
  execute: {
    kind: "execute",
    security: true,
    help: "what the programs may execute themselves: system (or no such key), system and further directories, or any",
  },
  umask: {
    kind: "octal",
    security: true,
    help: "the umask (octal) of the program; -1 or no such key: as it is",
  },
  environment: {
    kind: "pairs",
    security: false,
    help: "NAME=VALUE variables that are set for the program",
  },
  env: {
    kind: "list",
    security: false,
    help: "names of environment variables that are kept besides the usual ones",
  },
  no_new_privs: {
    kind: "flag",
    security: true,
    help: "1: setuid and setgid programs gain nothing (prctl(2), PR_SET_NO_NEW_PRIVS)",
  },
} as const satisfies KeyTable;

/** A section of jk_lsh.ini. With an error among its problems nothing may be run. */
export type LshSection = SectionValues<typeof lshKeys>;
