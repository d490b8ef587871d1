import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { describeError, isReported, JailkitError } from "../../cli/error.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { withHostAccounts } from "../../jail/record/jail-lock.ts";
import { modifyAccount } from "../../system/account-tools.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { splitHome } from "../../system/separator.ts";
import { noLoginShell } from "../../users/leaving.ts";
import type { OnceUser } from "../once-shape.ts";
import { warnOfSessions } from "./sessions.ts";
import { failureIn, type Said } from "./steps.ts";

/** True for an account that is in this jail. */
export function isIn(root: Pick<JailRoot, "path">, user: PasswdEntry | undefined): boolean {
  const split = user && splitHome(user.home);
  return split !== undefined && normalPath(split.jail) === root.path;
}

/**
 * Takes a user out of the files of the jail. If that fails, as a user brings about who fills its file system, the login ends
 * on the host. Returns the failure, which says whether the user can still log in.
 */
export function doneOrClosed(
  leave: (said: Said) => void,
  root: JailRoot,
  user: PasswdEntry | undefined,
  once: OnceUser,
  said: Said,
): JailkitError | undefined {
  try {
    leave({ ...said, errors: [] });
    return undefined;
  } catch (error) {
    const { code, message, remedy } = failureIn(root.path, error);
    const login = closeLogin(root, user, once, said);
    return new JailkitError(code, 1, `${message}; ${login}`, undefined, remedy);
  }
}

/** Gives an account a shell that lets nobody in, and returns it. */
export function closeAccount(user: PasswdEntry, steps: string[]): ByteString {
  const { name, home } = user;
  const shell = noLoginShell();
  if (user.shell !== shell) {
    withHostAccounts(() => modifyAccount(user, { home, shell, groups: [] }));
    steps.push(`gave the account ${quoted(name)} the shell ${quoted(shell)}`);
  }
  return shell;
}

/** Gives an account that is still in its jail a shell that lets nobody in. Returns whether it can log in, printable. */
function closeLogin(
  root: JailRoot,
  user: PasswdEntry | undefined,
  { name, directory }: OnceUser,
  { steps }: Said,
): string {
  const still = `${quoted(name)} can still log in`;
  try {
    if (readJailAccounts(root).userByName(name) === undefined)
      return `${quoted(name)} cannot log in any more`;
    if (directory || user === undefined || !isIn(root, user)) return still;
    const shell = closeAccount(user, steps);
    return `${quoted(name)} cannot log in meanwhile, with the shell ${quoted(shell)}`;
  } catch (error) {
    if (!isReported(error)) throw error;
    return `${still}: ${describeError(error)}`;
  }
}

/** The failure, with a warning of sessions that go on. */
export function tellingOfSessions(
  failure: JailkitError,
  { name, uid }: { readonly name: ByteString; readonly uid: number | undefined },
  said: Said,
): JailkitError {
  warnOfSessions(name, uid, said);
  return failure;
}
