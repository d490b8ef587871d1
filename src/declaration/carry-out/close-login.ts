import type { ByteString } from "../../../ffi/bytes.ts";
import { display, quoted } from "../../cli/display.ts";
import { answered, describeError, isReported, JailkitError } from "../../cli/error.ts";
import { readKeys } from "../../config/keys.ts";
import { knownConfig } from "../../config/known-sections.ts";
import { CONFIG_DIRECTORY } from "../../config/load.ts";
import type { IniSection } from "../../config/model.ts";
import { groupOfSection } from "../../config/scan.ts";
import { chrootshKeys } from "../../config/schemas/chrootsh.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { livesIn } from "../../system/separator.ts";
import { changeLogin } from "../../users/change-login.ts";
import { isClosed, noLoginShell } from "../../users/leaving.ts";
import { settingsDropIn } from "../compare/machine.ts";
import type { OnceUser } from "../once-shape.ts";
import { warnOfSessions } from "./sessions.ts";
import { failureIn, hearing, type Said } from "./steps.ts";

/** True for an account that is in this jail. */
export const isIn = (root: Pick<JailRoot, "path">, user: PasswdEntry | undefined): boolean =>
  user !== undefined && livesIn(root.path, user.home);

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
export function closeAccount(user: PasswdEntry, said: Pick<Said, "steps" | "warnings">): ByteString {
  if (isClosed(user.shell)) return user.shell;
  const shell = noLoginShell();
  changeLogin(user, { home: user.home, shell, groups: [] }, hearing(said), { stays: true });
  said.steps.push(`gave the account ${quoted(user.name)} the shell ${quoted(shell)}`);
  return shell;
}

/**
 * A section of jk_chrootsh.ini by which a user may get in without a line in the jail, also when groups and the section of
 * apply are gone; undefined if there is none. Throws as loadConfig.
 */
function openSection(user: ByteString): IniSection | undefined {
  const { sections } = knownConfig(`${CONFIG_DIRECTORY}/jk_chrootsh.ini`);
  const own = sections.find(({ name, file }) => name === user && file !== settingsDropIn(user));
  const common = ({ name }: IniSection) => name === "DEFAULT" || groupOfSection(name) !== undefined;
  const counts = own === undefined ? sections.filter(common) : [own];
  return counts.find((section) => {
    const { skipInjailPasswdCheck, injailShell } = readKeys(section, chrootshKeys);
    return skipInjailPasswdCheck && injailShell !== undefined;
  });
}

/**
 * Ends the logins of a user for which a line in the jail does not count, by the login shell. Throws JailkitError if only a
 * directory could do that, or if jk_chrootsh.ini cannot be read: then nobody knows what it will allow.
 */
export function closeWithoutLine(
  root: Pick<JailRoot, "path">,
  user: PasswdEntry | undefined,
  { name, directory }: OnceUser,
  said: Said,
): void {
  if (user === undefined || !isIn(root, user)) return;
  const found = directory ? { section: openSection(name) } : answered(() => ({ section: openSection(name) }));
  if (found !== undefined && found.section === undefined) return;
  if (!directory) {
    closeAccount(user, said);
    return;
  }
  const where = `[${display(found?.section?.name ?? "")}] of ${quoted(found?.section?.file ?? "")}`;
  const message = `${where} lets users in who are not in the jail's etc/passwd (skip_injail_passwd_check, injail_shell): give ${quoted(name)} another shell in its directory, or a section without these keys`;
  throw new JailkitError("not-local", 1, message);
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
    if (!hasLine && !(isThere && openSection(name) !== undefined))
      return `no session of ${quoted(name)} begins in the jail any more`;
    if (directory || !isThere) return still;
    return `no session of ${quoted(name)} begins in the jail meanwhile, with the shell ${quoted(closeAccount(user, said))}`;
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
