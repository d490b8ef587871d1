import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, S_IFDIR, S_IFMT } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { operands } from "../../cli/shell-word.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { accountAge, type ShadowEntry, today } from "../../system/shadow.ts";
import { firstOf, isSet, type SshdSettings, withTokens } from "../../system/sshd/settings.ts";
import type { ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";

const step = stepsOf("sshd");

/** The steps of sshd between authentication and the login shell. */
export function sessionSteps(
  settings: SshdSettings,
  account: PasswdEntry,
  shadow: ShadowEntry | undefined,
): ReportStep[] {
  const steps: ReportStep[] = [];
  if (firstOf(settings, "maxsessions") === "0")
    steps.push(
      step(
        "max-sessions",
        "failed",
        "sshd allows no sessions (MaxSessions 0)",
        "set MaxSessions to 1 or more",
      ),
    );
  if (firstOf(settings, "usepam") !== "yes") {
    if (statIfPresent(AT_FDCWD, "/etc/nologin", true) !== undefined)
      steps.push(
        step(
          "nologin",
          "failed",
          "/etc/nologin exists: only root may log in",
          "when users may log in again: mv /etc/nologin /etc/nologin.old",
        ),
      );
    if (
      shadow !== undefined &&
      ["password-must-change", "password-expired"].includes(accountAge(shadow, today()))
    ) {
      const message =
        "the password must be changed, which is impossible in a jail: a login by password fails";
      steps.push(step("password-expired", "unknown", message, `passwd ${operands(account.name)}`));
    }
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

/** The directory of ChrootDirectory for an account. Pure. */
export const chrootDirectory = (settings: SshdSettings, account: PasswdEntry) =>
  withTokens(firstOf(settings, "chrootdirectory"), account);

/** The effect of ChrootDirectory on a login shell that enters a jail itself. */
export function chrootSteps(settings: SshdSettings, account: PasswdEntry, served: boolean): ReportStep[] {
  if (!isSet(settings, "chrootdirectory")) return [];
  const path = chrootDirectory(settings, account);
  const remedy = "use either ChrootDirectory or jk_chrootsh, not both";
  const obstacle = chrootObstacle(path);
  const what = `sshd itself changes the root to ${path}`;
  if (obstacle !== undefined) {
    const rule =
      "ChrootDirectory and all directories above it must belong to root, and nobody else may write them";
    return [step("chroot-directory", "failed", `${what}, but cannot: ${obstacle}`, rule)];
  }
  if (served) return [step("chroot-directory", "passed", what)];
  if (statIfPresent(AT_FDCWD, `${path}${account.shell}`, true) === undefined)
    return [step("chroot-directory", "failed", `${what}, which has no ${account.shell}`, remedy)];
  return [step("chroot-directory", "unknown", `${what} before it starts the login shell`, remedy)];
}
