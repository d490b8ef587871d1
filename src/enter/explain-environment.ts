import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { readFileIfPresent } from "../../ffi/files.ts";
import { type Credentials, withRightsOf } from "../../ffi/rights.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { firstOf, matchesPattern, type SshdSettings } from "../system/sshd-settings.ts";

const LARGEST_FILE = 1 << 20;
const USER = "USER";

/** Whether sshd takes the variable USER from the user: PermitUserEnvironment of sshd_config(5). Pure. */
export function takesUserVariable(settings: SshdSettings): boolean {
  const permitted = firstOf(settings, "permituserenvironment");
  if (permitted === "no" || permitted === "") return false;
  return permitted === "yes" || permitted.split(",").some((pattern) => matchesPattern(USER, pattern));
}

/** The last value of a variable in a file as sshd(8) describes ~/.ssh/environment. Pure. */
export function environmentValue(text: ByteString, name: ByteString): ByteString | undefined {
  const lines = text.split("\n").map((line) => line.trimStart());
  return lines.findLast((line) => line.startsWith(`${name}=`))?.slice(name.length + 1);
}

/**
 * The variable USER that the session has, where the user's own ~/.ssh/environment sets it: jk_chrootsh goes by it.
 * undefined where it is sshd's, the name of the account.
 */
export function ownUserVariable(
  settings: SshdSettings,
  { home }: PasswdEntry,
  who: Credentials,
): ByteString | undefined {
  if (!takesUserVariable(settings)) return undefined;
  try {
    const bytes = withRightsOf(who, () => readFileIfPresent(`${home}/.ssh/environment`, LARGEST_FILE));
    return bytes === undefined ? undefined : environmentValue(fromBytes(bytes), USER);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}
