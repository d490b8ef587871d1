import type { HelpSource } from "../../cli/help.ts";
import { ABOUT_ITSELF } from "../../cli/options.ts";

/** The help of jk_lsh, also for its manual page. */
export const LSH_HELP: HelpSource = {
  name: "jk_lsh",
  summary: "limited shell that runs the programs of jk_lsh.ini and no others",
  synopsis: ["-c COMMAND", "--help | --version"],
  options: ABOUT_ITSELF,
  notes:
    "COMMAND is the command that sshd passes to a login shell. 'jailkit explain USER -- COMMAND' shows whether a command is allowed, and why not.",
  exitStatus: {
    1: "/etc/jailkit/jk_lsh.ini is missing or cannot be used",
    2: "the user is not known, or USER names another one",
    3: "the group is not known, or the file has no section for the user",
    4: "the program or its arguments are not allowed",
    5: "the section has neither executables nor allow, and no program of its patterns, or of force, exists",
    6: "the command cannot be split into words, or has none, or takes too long to expand or to compare",
    7: "no command was given: interactive sessions are refused, unless the key force has a command for them",
    126: "the program exists but cannot be executed, or the session cannot be confined",
    127: "the program is allowed but does not exist; or the runtime cannot start, because a limit of the session is too low",
  },
};
