import type { HelpSource } from "../../cli/help.ts";
import { ABOUT_ITSELF } from "../../cli/options.ts";
import { PROCMAIL, PROCMAIL_WRAPPER } from "./checks.ts";

/** The help of jk_procmailwrapper. */
export const PROCMAIL_HELP: HelpSource = {
  name: PROCMAIL_WRAPPER,
  summary: `deliver mail through ${PROCMAIL}, inside the jail of the recipient`,
  synopsis: ["[PROCMAIL-ARGUMENT...]"],
  options: ABOUT_ITSELF,
  notes:
    "A mail server starts it as the recipient, instead of procmail, with the mail on standard input. If the home of " +
    "the account has the separator /./, the procmail in its jail delivers, with only HOME and USER in the environment; " +
    "otherwise that of the host, with the environment unchanged. All other arguments are for procmail.",
  exitStatus: {
    1: "called by another name, or the host's procmail cannot be executed",
    11: "the program has lost the right to enter a jail",
    13: "the group of the account is not known",
    15: "the process has another group than the account",
    17: "the home has no jail before the separator /./",
    19: "the jail cannot be reached",
    21: "the path of the jail is not plain",
    33: "chroot failed",
    34: "the group of the process is wrong",
    35: "the groups of the process are wrong, or the jail does not know the account",
    36: "the user of the process is wrong",
    37: "the account has another name in the jail",
    39: "the account has another home in the jail",
    41: "the home cannot be entered",
    53: "the jail or the home is not safe",
    75: "try again later: started by root, the account is not known, jk_chrootsh.ini cannot be used, the delivery cannot be confined as it asks, no_new_privs or the filter on the terminal cannot be set, or the program cannot start now (a limit, memory)",
    101: "a privilege cannot be dropped (also 102 to 104)",
    111: "the jail's procmail is missing, is not safe, or cannot be executed",
  },
};
