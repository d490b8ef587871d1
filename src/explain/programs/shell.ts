import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, O_PATH } from "../../../ffi/constants.ts";
import { openAt, statIfPresent, withFd } from "../../../ffi/files.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { MAY_EXECUTE, mayAccess, withRightsOf } from "../../../ffi/rights.ts";
import { type Advice, inWords } from "../../cli/remedy.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import { setInDirectory } from "../../enter/remedies.ts";
import { LIMITED_SHELL } from "../../enter/shell.ts";
import { sameContent } from "../../jail/fs/compare.ts";
import { lookUp, withJailFile } from "../../jail/fs/look.ts";
import { hostPath, isRegular, type JailRoot } from "../../jail/fs/walk.ts";
import { type JailkitVersion, jailkitVersionOf } from "../../known-programs/jailkit-version.ts";
import { isLocalUser } from "../../system/account-tools.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { commandAt } from "../../system/exchange.ts";
import { asideCommand } from "../../system/free-name.ts";
import { isNoexec, remountCommand } from "../../system/mounts.ts";
import type { Subject } from "../account.ts";
import { reinstallAdvice } from "../installed.ts";
import { closedAbove } from "../readable.ts";
import { KEY_COMMAND, type ReportStep } from "../report.ts";
import { explainSshd } from "../sshd/servers.ts";
import type { SshdLogin } from "../sshd/sshd.ts";
import { stepsOf } from "../steps.ts";

/** The step about a limited shell of the jail's own. */
export const OWN_SHELL = "own-shell";

const INSTEAD = "runs instead of the limited shell in jk_chrootsh";

/**
 * A step about a limited shell at `path` of the jail (without symbolic links), whose effect is unknown. Undefined if it
 * is a copy of the jk_lsh beside `chrootsh`, which does the same as the one inside.
 */
export function ownShellStep(root: JailRoot, path: ByteString, chrootsh: ByteString): ReportStep | undefined {
  const make = withJailFile(root, path, (fd, { stat }) => jailkitVersionOf(fd, stat.size), { follow: false });
  const ours = `${parentOf(chrootsh)}/${LIMITED_SHELL}`;
  const stat = make === "jailkit-3" ? lookUp(root, path)?.stat : undefined;
  const there = statIfPresent(AT_FDCWD, ours) !== undefined;
  if (stat !== undefined && there && sameContent(root, path, ours, stat)) return undefined;
  const place = hostPath(root, path);
  const isOurs = make === "jailkit-2" || make === "jailkit-3";
  const advice = isOurs
    ? (`jk_update -j ${shellWord(root.path)}` as const)
    : commandAt(place, asideCommand(place));
  return stepsOf(LIMITED_SHELL)(OWN_SHELL, "unknown", `${place} ${whatOf(make)}`, advice);
}

function whatOf(make: JailkitVersion | undefined): string {
  if (make === "jailkit-2") {
    const gap = "it checks no arguments, so that rsync -e PROGRAM starts any program";
    return `is the jk_lsh of jailkit 2, and ${INSTEAD}: ${gap}; the rest is unknown`;
  }
  if (make === "jailkit-3")
    return `is a copy of jailkit of another version, and ${INSTEAD}: its rules are unknown`;
  return `is not jailkit's, and ${INSTEAD}: its effect is unknown; if it is not wanted, it can be moved away`;
}

/** Checks whether the user `name` can execute the login shell. */
export function shellStep(shell: ByteString, { name, uid }: PasswdEntry): ReportStep {
  const step = (outcome: ReportStep["outcome"], message: ByteString, advice?: Advice) =>
    stepsOf("account")("login-shell", outcome, message, advice);
  const stat = withRightsOf(undefined, () => statIfPresent(AT_FDCWD, shell, true));
  if (stat === undefined || !isRegular(stat)) {
    const what = stat === undefined ? "does not exist" : "is not a regular file";
    const away = stat === undefined ? "" : `move ${shell} away, and `;
    const advice = withRightsOf(undefined, () => reinstallAdvice(shell, name, away));
    return step("failed", `the login shell ${shell} ${what}`, advice);
  }
  if (mayAccess(AT_FDCWD, shell, MAY_EXECUTE)) return step("passed", `login shell ${shell}`);
  if (withRightsOf(undefined, () => withFd(openAt(AT_FDCWD, shell, O_PATH), isNoexec)))
    return step("failed", `the file system of ${shell} is mounted noexec`, remountCommand("exec", shell));
  const closed = closedAbove({ path: shell, jail: "" }, uid)?.advice;
  const advice = closed ?? commandAt(shell, `chmod 755 ${shellWord(shell)}`);
  return step("failed", `the user cannot execute ${shell}`, advice);
}

/**
 * A login shell that is not jailkit's. The login is refused if the shell is missing or lets nobody in, unless sshd serves
 * sftp itself or changes the root directory. Throws SystemError.
 */
export function otherShell(subject: Subject, by: "ssh" | "su", from: ByteString | undefined): ReportStep {
  const { account, who, onBehalf } = subject;
  const shell = account.shell === "" ? "/bin/sh" : account.shell;
  const { name } = account;
  const jailing = isLocalUser(name)
    ? (`jk_jailuser -m -j JAIL ${operands(name)}` as const)
    : inWords(`to jail the account, ${setInDirectory(name).words}`);
  const step = (outcome: ReportStep["outcome"], what: string) =>
    stepsOf("account")("login-shell", outcome, what, jailing);
  const other = step("unknown", `the login shell is ${shell}: this login does not use jailkit`);
  if (!onBehalf) return other;
  const found = withRightsOf(who, () => shellStep(shell, account));
  const closed = ["nologin", "false"].includes(baseName(shell));
  if (found.outcome === "passed" && !closed) return other;
  if (by === "ssh" && servesOtherwise(explainSshd(subject, from, undefined))) return other;
  if (found.outcome !== "passed") return { ...found, remedy: other.remedy };
  return step("failed", `the login shell is ${shell}, which refuses every login`);
}

const servesOtherwise = ({ unjailed, ownSftp, root, steps }: SshdLogin) =>
  unjailed ||
  ownSftp ||
  root !== undefined ||
  steps.some(
    ({ name, outcome }) => outcome === "unknown" && [KEY_COMMAND, "server", "servers"].includes(name),
  );
