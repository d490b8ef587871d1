import type { KeyTable, SectionValues } from "../keys.ts";
import { LOG_FORMAT } from "../log-format.ts";
import { flagKey, listKey } from "../values.ts";

/** Sections of jk_lsh.ini: a user, "group " and a group, or DEFAULT. */
export const lshKeys = {
  executables: {
    kind: "list",
    security: true,
    optional: true,
    help: "absolute paths of the programs that may be run",
  },
  paths: listKey("directories to search for a program that is given by its name alone"),
  allow_word_expansion: flagKey("expand wildcards, ~, variables and arithmetic in a command"),
  allow_spawn_options: flagKey(
    "servers such as rsync and git may start any other program: no argument is refused, and their environment is unchanged",
  ),
  execute: {
    kind: "execute",
    security: true,
    help: "files that the programs may execute themselves: system (the default), system and more directories, or any",
  },
  umask: {
    kind: "octal",
    security: true,
    help: "the umask (octal) of the program; -1 (the default): unchanged",
  },
  environment: { kind: "pairs", security: false, help: "NAME=VALUE variables to set for the program" },
  env: listKey("names of more environment variables to keep"),
  no_new_privs: flagKey("setuid and setgid programs gain nothing (prctl(2), PR_SET_NO_NEW_PRIVS)"),
  log_format: LOG_FORMAT,
} as const satisfies KeyTable;

/** A section of jk_lsh.ini. With an error among its problems nothing may be run. */
export type LshSection = SectionValues<typeof lshKeys>;
