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
import { isClosed, noLoginShell } from "../../users/leaving.ts";
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
 * on the host. Returns the failure, which says whether sessions of the user still begin.
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

/** Gives an account a shell that lets nobody in, if it has none. Returns that shell. */
function closeShell(user: PasswdEntry, { steps }: Pick<Said, "steps">): ByteString {
  if (isClosed(user.shell)) return user.shell;
  const shell = noLoginShell();
  withHostAccounts(() => modifyAccount(user, { home: user.home, shell, groups: [] }));
  steps.push(`gave the account ${quoted(user.name)} the shell ${quoted(shell)}`);
  return shell;
}

/** Gives an account that is still in its jail a shell that lets nobody in. Returns whether sessions of it begin, printable. */
function closeLogin(
  root: JailRoot,
  user: PasswdEntry | undefined,
  { name, directory }: OnceUser,
  said: Said,
): string {
  const still = `${quoted(name)} can still log in`;
  try {
    const isThere = user !== undefined && isIn(root, user);
    const hasLine = readJailAccounts(root).userByName(name) !== undefined;
    if (!hasLine) return `no session of ${quoted(name)} begins in the jail any more`;
    if (directory || !isThere) return still;
    return `no session of ${quoted(name)} begins in the jail meanwhile, with the shell ${quoted(closeShell(user, said))}`;
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
