import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { type Stat, statIfPresent } from "../../ffi/files.ts";
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
import { hostNames } from "../system/host-files.ts";
import type { CheckFinding } from "./rules.ts";

const SHELL = "/usr/sbin/jk_chrootsh";

/** Findings about the host's account of a jailed user. */
export function userFindings(user: JailedUser): CheckFinding[] {
  const name = display(user.name);
  const path = user.fromService ? "/etc/nsswitch.conf" : "/etc/passwd";
  const findings: CheckFinding[] = [];
  if (user.jail === undefined) {
    const message = `user ${name} has a /./ in the home ${display(user.home)}, but no jail before it`;
    const home = user.home.slice(user.home.lastIndexOf("/./") + 2);
    const remedy = `usermod -d ${shellWord(joinHome("JAIL", home))} ${operands(user.name)}`;
    findings.push({ rule: "bad-separator", path, message, ...(user.fromService ? {} : { remedy }) });
  }
  if (!isJailShell(user.shell)) {
    const limited = user.shell.endsWith("/jk_lsh") ? ": jk_lsh alone jails nobody" : "";
    const message = `user ${name} has a /./ but does not have the ${SHELL} shell${limited}`;
    // usermod cannot change an account in a name service.
    const remedy = user.fromService ? {} : { remedy: `usermod -s ${SHELL} ${operands(user.name)}` };
    findings.push({ rule: "wrong-shell", path, message, ...remedy });
  }
  return findings;
}

/** True for jk_chrootsh, in its usual directory or in another one of root's. */
function isJailShell(shell: ByteString): boolean {
  if (shell === SHELL) return true;
  if (!/^\/.*\/jk_chrootsh$/.test(shell)) return false;
  const stat = statIfPresent(AT_FDCWD, shell, true);
  return stat !== undefined && isRegular(stat) && onlyRootWrites(stat);
}

/** The finding about a jailed user who is not in the jail's passwd. */
export function notInJailFinding(user: JailedUser, jail: ByteString): CheckFinding {
  const remedy = `jk_jailuser --jail-side-only -j ${shellWord(jail)} ${operands(user.name)}`;
  return { ...notThere(user, jail), remedy };
}

/** The finding about a jailed user whose jail is missing; the remedy updates the account if the jail was moved. */
export function noJailFinding(user: JailedUser, jail: ByteString): CheckFinding {
  const remedy = lostRemedy(jail);
  return { ...notThere(user, jail), ...(remedy === undefined ? {} : { remedy }) };
}

function notThere(user: JailedUser, jail: ByteString): CheckFinding {
  const message = `user ${display(user.name)} does not exist in ${display(jail)}/etc/passwd`;
  return { rule: "user-not-in-jail", path: `${jail}/etc/passwd`, message };
}

/** Findings about the configuration directory, its files and drop-ins that users other than root can change. */
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
    const because = unsafeBecause(stat);
    if (because === undefined) return;
    const remedy = ownRemedy(path, stat);
    findings.push({ rule: "config-file", path, message: `${display(path)} ${because}`, remedy });
  };
  for (const { path, stat } of filesIn(directory, /\.(?:ini|d)$/)) {
    look(path, stat);
    if (isDirectory(stat)) for (const each of filesIn(path, /\.ini$/)) look(each.path, each.stat);
  }
  return findings;
}

function filesIn(directory: ByteString, pattern: RegExp): { path: ByteString; stat: Stat }[] {
  try {
    return hostNames(directory).flatMap((name) => {
      const path = `${directory}/${name}`;
      const stat = pattern.test(name) ? statIfPresent(AT_FDCWD, path, true) : undefined;
      return stat === undefined ? [] : [{ path, stat }];
    });
  } catch (error) {
    if (isErrno(error, "EACCES")) return [];
    throw error;
  }
}
