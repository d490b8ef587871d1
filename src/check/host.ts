import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { type Stat, statIfPresent } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import type { Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import { ownRemedy, placeAt, unsafeBecause } from "../config/trusted.ts";
import { jailSideRemedy } from "../enter/remedies.ts";
import { isChrootShell, isLimitedShell, type JailedUser } from "../jail/accounts/jailed-users.ts";
import { configDirectoryFindings } from "../jail/fs/safety.ts";
import { isDirectory, isRegular } from "../jail/fs/walk.ts";
import { lostRemedy } from "../jail/record/named-jail.ts";
import { leftMounts } from "../populate/record/left-mounts.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { onlyRootWrites } from "../system/exchange.ts";
import { hostNames } from "../system/host-files.ts";
import { joinHome } from "../system/separator.ts";
import { advised, type CheckFinding, type CheckProblem, unreadable } from "./rules.ts";

const SHELL = "/usr/sbin/jk_chrootsh";

/** Findings about the host's account of a jailed user. */
export function userFindings(user: JailedUser): CheckFinding[] {
  const name = display(user.name);
  const path = user.fromService ? "/etc/nsswitch.conf" : "/etc/passwd";
  // usermod cannot change an account in a name service.
  const orNone = (remedy: Remedy) => (user.fromService ? undefined : remedy);
  const findings: CheckFinding[] = [];
  if (user.jail === undefined) {
    const message = `user ${name} has a /./ in the home ${display(user.home)}, but no jail before it`;
    const home = user.home.slice(user.home.lastIndexOf("/./") + 2);
    const remedy: Remedy = `usermod -d ${shellWord(joinHome("JAIL", home))} ${operands(user.name)}`;
    findings.push({ rule: "bad-separator", path, message, remedy: orNone(remedy) });
  }
  if (!isJailShell(user.shell)) {
    const limited = isLimitedShell(user.shell) ? ": jk_lsh alone jails nobody" : "";
    const message = `user ${name} has a /./ but does not have the ${SHELL} shell${limited}`;
    const remedy: Remedy = `usermod -s ${SHELL} ${operands(user.name)}`;
    findings.push({ rule: "wrong-shell", path, message, remedy: orNone(remedy) });
  }
  return findings;
}

/** True for jk_chrootsh, in its usual directory or in another one of root's. */
function isJailShell(shell: ByteString): boolean {
  if (shell === SHELL) return true;
  if (!(shell.startsWith("/") && isChrootShell(shell))) return false;
  const stat = statIfPresent(AT_FDCWD, shell, true);
  return stat !== undefined && isRegular(stat) && onlyRootWrites(stat);
}

type Meant = Pick<CheckFinding, "remedy" | "otherwise">;

/** A section of a declaration, and its file. */
export interface DeclaringSection {
  readonly kind: "jail" | "user";
  readonly name: ByteString;
  readonly file: ByteString;
  /** That of the header. */
  readonly line: number;
}

/** What declarations mean. */
export interface AskMeant {
  /** Of a user whom a jail lacks: the command in place of the usual one, and the other way. */
  readonly lacking: (user: JailedUser, jail: ByteString) => Meant;
  /**
   * Of an account that a jail has a line of, and whose home is elsewhere: the command in place of the usual ones, if it is declared there;
   * `shows`: it shows what the directory should say.
   */
  readonly elsewhere: (
    name: ByteString,
    jail: ByteString,
  ) => { readonly command: Remedy; readonly shows: boolean } | undefined;
  /** Of a line whose name nobody has: what shows how it heals, if that is declared there, as of an account with another name by now. */
  readonly renamed: (name: ByteString, jail: ByteString) => Remedy | undefined;
  /** Why the uid of an account is not its own, and what helps; undefined if it is, or that is not known. */
  readonly otherUid: (
    user: PasswdEntry,
    jail: ByteString,
    line: Pick<PasswdEntry, "uid" | "home">,
  ) => { readonly message: string; readonly remedy?: Remedy | undefined } | undefined;
  /** What declares a jail, and users in it. */
  readonly sections: (jail: ByteString) => readonly DeclaringSection[];
  /** In place of a remedy whose lines the next run of `jailkit apply` would undo, with the end of the message. */
  readonly instead: (remedy: Remedy) => { readonly remedy: Remedy; readonly note: string } | undefined;
}

/** A finding with a remedy that no run of `jailkit apply` undoes. */
export function lasting(finding: CheckFinding, meantOf: AskMeant): CheckFinding {
  const instead = finding.remedy && meantOf.instead(finding.remedy);
  if (instead === undefined || instead === "") return finding;
  return { ...finding, message: `${finding.message}${instead.note}`, remedy: instead.remedy };
}

/** The finding about a jailed user who is not in the jail's passwd, or whose jail is `missing`: it may have been moved. */
export function notInJailFinding(
  user: JailedUser,
  jail: ByteString,
  { missing = false, meant = {} }: { readonly missing?: boolean; readonly meant?: Meant } = {},
): CheckFinding {
  const message = `user ${display(user.name)} does not exist in ${display(jail)}/etc/passwd`;
  const remedy = missing ? lostRemedy(jail) : jailSideRemedy(jail, user.name);
  return { rule: "user-not-in-jail", path: `${jail}/etc/passwd`, message, remedy, ...meant };
}

/** What the next boot would mount in jails that should not have it: in those of `asked`, or in all. */
export function leftFindings(asked: readonly ByteString[], problems: CheckProblem[]): CheckFinding[] {
  const path = "/etc/fstab";
  try {
    return leftMounts(asked).map(({ message, remedy }) => ({ rule: "left-mount", path, message, remedy }));
  } catch (error) {
    problems.push(unreadable(path, error));
    return [];
  }
}

/** Findings about the configuration directory, its files and drop-ins that users other than root can change. */
export function configFindings(): CheckFinding[] {
  const files = filesIn(CONFIG_DIRECTORY, /\.(?:ini|d)$/).flatMap((one) =>
    isDirectory(one.stat) ? [one, ...filesIn(one.path, /\.ini$/)] : [one],
  );
  return [
    ...configDirectoryFindings(CONFIG_DIRECTORY).map(
      ({ path, message, advice, tolerated }): CheckFinding =>
        advised({ rule: tolerated ? "config-file" : "config-directory", path, message }, advice),
    ),
    ...files.flatMap(({ path, stat }): CheckFinding[] => {
      const place = placeAt(path);
      const because = unsafeBecause(stat, place);
      if (because === undefined) return [];
      const message = `${display(path)} ${because}`;
      return [{ rule: "config-file", path, message, remedy: ownRemedy(place, stat) }];
    }),
  ];
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
