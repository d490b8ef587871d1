import { type ByteString, trim } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_NOCTTY, O_NONBLOCK, O_RDONLY } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { fstat, openAt, statIfPresent, withFd } from "../../ffi/files.ts";
import { baseName } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import { answered, describeError } from "../cli/error.ts";
import { loadConfig } from "../config/load.ts";
import { CONFIG_FILE } from "../enter/gather.ts";
import { LIMITED_SHELL } from "../enter/shell.ts";
import { installedPrivilege } from "../explain/installed.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { isChrootShell } from "../jail/accounts/jailed-users.ts";
import { lookUp } from "../jail/fs/look.ts";
import { isRegular, type JailRoot } from "../jail/fs/walk.ts";
import { jailkitVersionOf } from "../known-programs/jailkit-version.ts";
import { hostAccounts } from "../system/host-accounts.ts";

/** How users log in to a jail. */
export interface JailLogins {
  /** The jk_chrootsh that belongs to the running program. */
  readonly chrootsh: ByteString;
  /** The login shells, on the host, of the known users of the jail. */
  readonly shells: readonly ByteString[];
}

/**
 * The reason why a login may need a limited shell at one of these paths of the jail; undefined if all logins work with
 * the one in jk_chrootsh. Checks the accounts in the passwd of the jail, by the name services of the host, and those of
 * `logins`.
 */
export function loginObstacle(
  root: JailRoot,
  paths: ReadonlySet<ByteString>,
  logins: JailLogins,
): string | undefined {
  try {
    return findObstacle(root, paths, logins);
  } catch (error) {
    // Unknown: a login may need it.
    return `logins may need it: ${describeError(error)}`;
  }
}

function findObstacle(
  root: JailRoot,
  paths: ReadonlySet<ByteString>,
  { chrootsh, shells }: JailLogins,
): string | undefined {
  const { userByName } = hostAccounts();
  const accounts = readJailAccounts(root).users.map((entry) => ({ entry, host: userByName(entry.name) }));
  const used = [chrootsh, ...shells, ...accounts.flatMap(({ host }) => host?.shell ?? [])];
  for (const shell of new Set(used)) {
    // A missing jk_chrootsh lets nobody in, so it does not matter; but our own must exist.
    const counts = isChrootShell(shell) && (shell === chrootsh || exists(shell));
    const reason = counts ? chrootshObstacle(shell) : undefined;
    if (reason !== undefined) return `logins may need it: ${reason}`;
  }
  for (const { entry, host } of accounts) {
    const name = display(entry.name);
    if (!leadsToOne(root, entry.shell, paths)) continue;
    if (baseName(entry.shell) !== LIMITED_SHELL)
      return `${display(entry.shell)}, the shell of ${name}, leads to it`;
    if (host !== undefined && baseName(host.shell) === LIMITED_SHELL)
      return `is the login shell of ${name} on the host too: sshd may start it here (ChrootDirectory)`;
  }
  return injailShells()
    .filter((shell) => baseName(shell) !== LIMITED_SHELL && leadsToOne(root, shell, paths))
    .map((shell) => `${display(shell)}, an injail_shell in ${CONFIG_FILE}, leads to it`)[0];
}

const exists = (path: ByteString): boolean => statIfPresent(AT_FDCWD, path, true) !== undefined;

/** The reason why logins with this jk_chrootsh do not use its built-in limited shell. */
function chrootshObstacle(path: ByteString): string | undefined {
  try {
    const version = withFd(openAt(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY), (fd) => {
      const stat = fstat(fd);
      return isRegular(stat) ? jailkitVersionOf(fd, stat.size) : undefined;
    });
    if (version !== "jailkit-3" && version !== "entry") return `${display(path)} is not from jailkit 3`;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return `${display(path)}: ${error.reason}`;
  }
  const { held, reason } = installedPrivilege(path);
  return held === true ? undefined : reason;
}

function leadsToOne(root: JailRoot, shell: ByteString, paths: ReadonlySet<ByteString>): boolean {
  if (!shell.startsWith("/")) return false;
  // A loop, or a symbolic link of a user: jk_chrootsh does not follow it either.
  const found = answered(() => lookUp(root, shell, { follow: true }));
  return found !== undefined && paths.has(found.canonicalPath);
}

function injailShells(): ByteString[] {
  const sections = loadConfig(CONFIG_FILE, { dialect: "c" })?.sections ?? [];
  return sections.flatMap(({ entries }) =>
    entries.filter(({ key }) => key === "injail_shell").map(({ value }) => trim(value)),
  );
}
