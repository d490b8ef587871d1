import type { HelpSource } from "../../cli/help.ts";
import { ABOUT_ITSELF } from "../../cli/options.ts";

/** The help of jk_chrootsh, also for its manual page. */
export const CHROOTSH_HELP: HelpSource = {
  name: "jk_chrootsh",
  summary: "login shell that enters the user's jail",
  synopsis: ["[ARGUMENT...]", "--help | --version"],
  options: ABOUT_ITSELF,
  notes:
    "It is for accounts whose home in passwd(5) has the separator /./. It has no options of its own: all arguments are " +
    "for the shell in the jail. --help and --version work only for a caller whose home is in no jail, such as an " +
    "administrator. 'jailkit explain USER' shows what a login does, and why it fails.",
  exitStatus: {
    1: "called by a name other than jk_chrootsh, su, or one of them after a dash",
    11: "the program has lost the right to enter a jail",
    12: "started by root",
    13: "the account, its group or its groups are not known, or USER names another account",
    14: "/etc/jailkit is not safe, or jk_chrootsh.ini cannot be used",
    15: "the session has another group than the account",
    16: "the account has no home",
    17: "the home has no separator /./, or no jail before it",
    19: "the jail cannot be reached",
    21: "the path of the jail is not plain: it contains symbolic links, dots or doubled slashes",
    33: "chroot(2) failed",
    34: "the group of the process is wrong",
    35: "the groups of the process are wrong, or the jail does not know the user or the group",
    36: "the user of the process is wrong",
    37: "the jail knows the user or the group by another name",
    39: "the user has another home in the jail",
    41: "the home cannot be entered",
    53: "the jail or the home is not safe",
    101: "a privilege cannot be dropped (also 102 to 104), or no_new_privs or the filter on the terminal cannot be set (105)",
    106: "the session cannot be confined, in a way that jk_chrootsh.ini asks for",
    111: "the shell is missing in the jail, is not safe, or cannot be executed",
    127: "the runtime cannot start: a limit of the session is too low",
  },
};
