import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, S_IFDIR, S_IFMT } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { inWords } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { isLocalUser } from "../../system/account-tools.ts";
import { asideCommand } from "../../system/free-name.ts";
import { accountAge, NEW_PASSWORD, shadowAdvice, today } from "../../system/shadow.ts";
import { firstOf, isOn, isSet, withTokens } from "../../system/sshd/settings.ts";
import type { ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";
import type { Connection } from "./connection.ts";

const step = stepsOf("sshd");

/** The steps of sshd between authentication and the login shell. */
export function sessionSteps({ settings, account, shadow }: Connection): ReportStep[] {
  const steps: ReportStep[] = [];
  if (firstOf(settings, "maxsessions") === "0") {
    const message = "sshd allows no sessions (MaxSessions 0)";
    steps.push(step("max-sessions", "failed", message, inWords("set MaxSessions to 1 or more")));
  }
  if (isOn(settings, "usepam")) return steps;
  if (statIfPresent(AT_FDCWD, "/etc/nologin", true) !== undefined) {
    const message = "/etc/nologin exists: only root may log in, until it is moved away";
    steps.push(step("nologin", "failed", message, asideCommand("/etc/nologin")));
  }
  const age = shadow && accountAge(shadow, today());
  if (age === "password-must-change" || age === "password-expired") {
    const message = "the password must be changed, which is impossible in a jail: a login by password fails";
    const { name } = account;
    const advice = shadowAdvice(isLocalUser(name), `passwd ${operands(name)}`, NEW_PASSWORD);
    steps.push(step("password-expired", "unknown", message, advice));
  }
  return steps;
}

/** The reason why sshd would refuse a directory as its root: only root may write it and the directories above it. */
function chrootObstacle(path: ByteString): ByteString | undefined {
  const parts = path.split("/").filter((part) => part !== "");
  for (let count = 0; count <= parts.length; count++) {
    const at = `/${parts.slice(0, count).join("/")}`;
    const stat = statIfPresent(AT_FDCWD, at, true);
    if (stat === undefined) return `${at} does not exist`;
    if ((stat.mode & S_IFMT) !== S_IFDIR) return `${at} is not a directory`;
    if (stat.uid !== 0 || (stat.mode & 0o022) !== 0) return `users other than root can write ${at}`;
  }
  return undefined;
}

/** The directory of ChrootDirectory for an account; undefined if it is not set. Pure. */
export const chrootDirectory = ({ settings, account }: Connection): ByteString | undefined =>
  isSet(settings, "chrootdirectory") ? withTokens(firstOf(settings, "chrootdirectory"), account) : undefined;

/** The effect of ChrootDirectory on a login shell that enters a jail itself. */
export function chrootSteps(connection: Connection, served: boolean): ReportStep[] {
  const path = chrootDirectory(connection);
  if (path === undefined) return [];
  const { shell } = connection.account;
  const advice = inWords("use either ChrootDirectory or jk_chrootsh, not both");
  const obstacle = chrootObstacle(path);
  const what = `sshd itself changes the root to ${path}`;
  if (obstacle !== undefined) {
    const rule =
      "ChrootDirectory and all directories above it must belong to root, and nobody else may write them";
    return [step("chroot-directory", "failed", `${what}, but cannot: ${obstacle}`, inWords(rule))];
  }
  if (served) return [step("chroot-directory", "passed", what)];
  if (statIfPresent(AT_FDCWD, `${path}${shell}`, true) === undefined)
    return [step("chroot-directory", "failed", `${what}, which has no ${shell}`, advice)];
  return [step("chroot-directory", "unknown", `${what} before it starts the login shell`, advice)];
}
