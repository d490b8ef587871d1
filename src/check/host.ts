import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { close, openAt, readDirectory, type Stat, statIfPresent } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import { ownRemedy, unsafeBecause } from "../config/trusted.ts";
import type { JailedUser } from "../jail/accounts/jailed-users.ts";
import { joinHome } from "../jail/accounts/separator.ts";
import { configDirectoryFindings } from "../jail/fs/safety.ts";
import { isDirectory, isRegular } from "../jail/fs/walk.ts";
import { lostRemedy } from "../jail/record/named-jail.ts";
import { onlyRootWrites } from "../system/exchange.ts";
import type { CheckFinding } from "./rules.ts";

const SHELL = "/usr/sbin/jk_chrootsh";

/** What is wrong with an account as the host has it. */
export function userFindings(user: JailedUser): CheckFinding[] {
  const name = display(user.name);
  const path = user.fromService ? "/etc/nsswitch.conf" : "/etc/passwd";
  const findings: CheckFinding[] = [];
  if (user.jail === undefined) {
    const message = `user ${name} has a /./ in the home ${display(user.home)}, and no jail before it`;
    const home = user.home.slice(user.home.lastIndexOf("/./") + 2);
    const remedy = `usermod -d ${shellWord(joinHome("JAIL", home))} ${operands(user.name)}`;
    findings.push({ rule: "bad-separator", path, message, ...(user.fromService ? {} : { remedy }) });
  }
  if (!isJailShell(user.shell)) {
    const limited = user.shell.endsWith("/jk_lsh") ? ": jk_lsh alone jails nobody" : "";
    const message = `user ${name} has a /./ but does not have the ${SHELL} shell${limited}`;
    // The account of a name service is changed where that keeps it.
    const remedy = user.fromService ? {} : { remedy: `usermod -s ${SHELL} ${operands(user.name)}` };
    findings.push({ rule: "wrong-shell", path, message, ...remedy });
  }
  return findings;
}

/** The shell in its usual place, or where it was installed instead. */
function isJailShell(shell: ByteString): boolean {
  if (shell === SHELL) return true;
  if (!/^\/.*\/jk_chrootsh$/.test(shell)) return false;
  const stat = statIfPresent(AT_FDCWD, shell, true);
  return stat !== undefined && isRegular(stat) && onlyRootWrites(stat);
}

/** A jailed user whom the jail's passwd does not know. */
export function notInJailFinding(user: JailedUser, jail: ByteString): CheckFinding {
  const remedy = `jk_jailuser --jail-side-only -j ${shellWord(jail)} ${operands(user.name)}`;
  return { ...notThere(user, jail), remedy };
}

/** The same where the jail itself is not there: it is to be followed, if it is found. */
export function noJailFinding(user: JailedUser, jail: ByteString): CheckFinding {
  const remedy = lostRemedy(jail);
  return { ...notThere(user, jail), ...(remedy === undefined ? {} : { remedy }) };
}

function notThere(user: JailedUser, jail: ByteString): CheckFinding {
  const message = `user ${display(user.name)} does not exist in ${display(jail)}/etc/passwd`;
  return { rule: "user-not-in-jail", path: `${jail}/etc/passwd`, message };
}

/** Who can change the configuration: the directory, the files in it, and their drop-ins. */
export function configFindings(directory: ByteString = CONFIG_DIRECTORY): CheckFinding[] {
  const findings = configDirectoryFindings(directory).map(
    ({ path, message, remedy, tolerated }): CheckFinding => ({
      rule: tolerated ? "config-file" : "config-directory",
      path,
      message,
      remedy,
    }),
  );
  const look = (path: ByteString, stat: Stat) => {
    const because = unsafeBecause(stat, 0);
    if (because === undefined) return;
    const remedy = ownRemedy(path, stat, 0);
    findings.push({ rule: "config-file", path, message: `${display(path)} ${because}`, remedy });
  };
  for (const { path, stat } of filesIn(directory, /\.(?:ini|d)$/)) {
    look(path, stat);
    if (isDirectory(stat)) for (const each of filesIn(path, /\.ini$/)) look(each.path, each.stat);
  }
  return findings;
}

function filesIn(directory: ByteString, names: RegExp): { path: ByteString; stat: Stat }[] {
  let fd: number;
  try {
    fd = openAt(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "EACCES")) return [];
    throw error;
  }
  try {
    return readDirectory(fd)
      .filter(({ name }) => names.test(name))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap(({ name }) => {
        const stat = statIfPresent(fd, name, true);
        return stat === undefined ? [] : [{ path: `${directory}/${name}`, stat }];
      });
  } finally {
    close(fd);
  }
}
