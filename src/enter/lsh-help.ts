import type { HelpSource } from "../cli/help.ts";

/** What the documentation says of jk_lsh. The program itself has no help: what it is given is a command. */
export const LSH_HELP: HelpSource = {
  name: "jk_lsh",
  summary: "limited shell that runs the programs of jk_lsh.ini and no others",
  synopsis: ["-c COMMAND"],
  options: {},
  exitStatus: {
    1: "/etc/jailkit/jk_lsh.ini is missing or cannot be used",
    2: "the user is not known, or USER names another one",
    3: "the group is not known, or the file has no section for the user",
    4: "the program, or an option that makes it start others, is not allowed",
    5: "the section has no key executables",
    6: "the command cannot be split into words, or has none",
    7: "no command was given: there is no interactive session",
    126: "the program is there, but cannot be executed, or what it may execute cannot be limited",
    127: "the program is allowed, but not there; or the runtime cannot start, because a limit of the session is too low",
  },
};
