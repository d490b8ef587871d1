import { callerIds, environment } from "../../../ffi/guard.ts";
import { dropAllCapabilities } from "../../../ffi/process.ts";
import { printAbout } from "../../cli/about.ts";
import { passwdByName, passwdByUid } from "../../system/accounts.ts";
import { variable } from "../limited/limited.ts";
import { CHROOTSH_HELP } from "./help.ts";

/**
 * Prints the help or version of jk_chrootsh and returns true, for a caller whose home is in no jail. For a jailed user all
 * arguments belong to the shell in the jail. Throws SystemError if the privilege cannot be dropped.
 */
export function printAboutToOutsider(asked: "help" | "version"): boolean {
  const name = variable(environment(), "USER");
  const account = name ? passwdByName(name) : passwdByUid(callerIds().uid);
  if (account?.home.includes("/./")) return false;
  dropAllCapabilities();
  printAbout(CHROOTSH_HELP, asked);
  return true;
}
