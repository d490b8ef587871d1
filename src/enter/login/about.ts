import { callerIds, environment } from "../../../ffi/guard.ts";
import { dropAllCapabilities } from "../../../ffi/process.ts";
import { tellAbout } from "../../cli/about.ts";
import { passwdByName, passwdByUid } from "../../system/accounts.ts";
import { variable } from "../limited/limited.ts";
import { CHROOTSH_HELP } from "./help.ts";

/**
 * Says what jk_chrootsh is, and returns true, to a caller whose home is in no jail. Of one who lives in a jail it is the
 * login shell, and every argument is for the shell in there. Throws SystemError where the privilege cannot be given up.
 */
export function printAboutToOutsider(asked: "help" | "version"): boolean {
  const name = variable(environment(), "USER");
  const account = name ? passwdByName(name) : passwdByUid(callerIds().uid);
  if (account?.home.includes("/./")) return false;
  dropAllCapabilities();
  tellAbout(CHROOTSH_HELP, asked);
  return true;
}
