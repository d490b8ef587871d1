import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, S_IFDIR, S_IFMT } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import type { Credentials } from "../../../ffi/rights.ts";
import { operands } from "../../cli/shell-word.ts";
import type { CheckOutcome } from "../../enter/checks.ts";
import { groupNamesOf, type PasswdEntry } from "../../system/accounts.ts";
import { accountAge, passwordState, type ShadowEntry, shadowOf, today } from "../../system/shadow.ts";
import { undecidedMatches } from "../../system/sshd/match.ts";
import {
  CONFIGURATION,
  firstOf,
  isSet,
  type SshdSettings,
  sftpSubsystem,
  withTokens,
} from "../../system/sshd/settings.ts";
import { userRule } from "../../system/sshd/users.ts";
import { loginWarnings } from "../../system/sshd/warnings.ts";
import type { ReportStep } from "../report.ts";
import { countSteps } from "./counts.ts";
import { judgeWays, passwordWay } from "./credentials.ts";
import { sshUserVariable, variableSteps } from "./environment.ts";
import { forcedPart } from "./forced-command.ts";
import { type KeyWay, keyWay } from "./keys.ts";
import { pamStep, pamSteps } from "./pam.ts";

/** What sshd does for somebody. */
export interface SshdPart {
  steps: ReportStep[];
  /** The command that runs in the place of any other; undefined for none. */
  forced?: ByteString;
  /** The variable USER, where something sets it. */
  userVariable?: ByteString;
  /** sshd serves every session itself, and the login shell is never run. */
  unjailed: boolean;
  /** The root directory in which it does: ChrootDirectory. */
  held: ByteString | undefined;
  /** It serves sftp itself, and for all else runs the login shell. */
  ownSftp: boolean;
  /** It changes the root directory before it runs the login shell. */
  changesRoot: boolean;
  /** The service of PAM that opens the session; undefined for none. */
  service: ByteString | undefined;
}

const step = (name: string, outcome: CheckOutcome, message: ByteString, remedy = ""): ReportStep => ({
  stage: "sshd",
  name,
  outcome,
  message,
  remedy,
});

/** The settings themselves, and whether a Match block makes them depend on what was not asked. */
function settingSteps(
  settings: SshdSettings,
  account: PasswdEntry,
  from: ByteString | undefined,
): ReportStep[] {
  const keywords = ["forcecommand", "permittty", "allowtcpforwarding", "acceptenv"];
  const shown = keywords.filter((keyword) => isSet(settings, keyword));
  const sftp = sftpSubsystem(settings);
  const told = shown.map((keyword) => `${keyword} ${firstOf(settings, keyword)}`);
  if (sftp !== undefined) told.push(`subsystem sftp ${sftp}`);
  const steps = [step("settings", "passed", told.join(", "))];
  const [open] = undecidedMatches(settings, { name: account.name, groups: groupNamesOf(account) }, from);
  if (open !== undefined) {
    const remedy = open.address ? "say where the login comes from: --from ADDRESS" : "";
    const message = `the settings depend on ${open.what}: Match ${open.line}`;
    steps.push(step("match", "unknown", message, remedy));
  }
  return steps;
}

/** What sshd asks of the account before anybody has shown who they are. */
function admissionSteps(
  settings: SshdSettings,
  account: PasswdEntry,
  from: ByteString | undefined,
  shadow: ShadowEntry | undefined,
): ReportStep[] {
  const { name } = account;
  const steps = countSteps(settings, from);
  if (firstOf(settings, "refuseconnection") === "yes") {
    const remedy = `take RefuseConnection out of ${CONFIGURATION}, for this user`;
    steps.push(step("refuse-connection", "failed", "sshd ends every connection of the user", remedy));
  }
  const rule = userRule(settings, { name, groups: groupNamesOf(account) }, from);
  if (rule === undefined)
    steps.push(step("allowed-users", "passed", "no list of users and groups keeps the user out"));
  else {
    const outcome = rule.outcome === "refused" ? "failed" : "unknown";
    steps.push(step("allowed-users", outcome, rule.message, rule.remedy));
  }
  if (firstOf(settings, "usepam") === "yes" || shadow === undefined) return steps;
  // Without PAM sshd looks itself.
  if (passwordState(shadow.password) === "locked") {
    const message =
      "the account is locked (a ! before the password), and sshd without PAM takes no key either";
    const remedy = `give it a password that matches nothing: usermod -p '*' ${operands(name)}`;
    steps.push(step("account-locked", "failed", message, remedy));
  }
  if (accountAge(shadow, today()) === "account-expired")
    steps.push(step("account-expired", "failed", "the account has expired", `chage -E -1 ${operands(name)}`));
  return steps;
}

/** By what somebody can show who they are. */
function credentialStep(
  settings: SshdSettings,
  key: KeyWay,
  account: PasswdEntry,
  shadow: ShadowEntry | undefined,
  from: ByteString | undefined,
): ReportStep[] {
  const password = passwordWay(settings, account, shadow);
  const { can, why } = judgeWays(settings, { key, password });
  const told = [...key.why, ...password.why, ...why].join("; ");
  const byPam = firstOf(settings, "usepam") === "yes";
  const service = firstOf(settings, "pamservicename") || "sshd";
  const auth = () => pamStep("auth", { account, service, from });
  if (can === "unknown") return [step("credentials", "unknown", told, key.remedies.join("; "))];
  const withoutPassword = judgeWays(settings, { key, password: { can: "no", why: [], remedies: [] } }).can;
  if (can === "yes") {
    const steps = [step("credentials", "passed", told)];
    if (withoutPassword === "yes" || !byPam) return steps;
    const pam = auth();
    // Where the password is refused a key may do, if that is not known.
    if (pam.outcome === "failed" && withoutPassword === "unknown") pam.outcome = "unknown";
    return [...steps, pam];
  }
  // It may be another module than pam_unix that takes a password.
  const anyPassword = judgeWays(settings, { key, password: { can: "yes", why: [], remedies: [] } }).can;
  if (byPam && password.byShadow === true && anyPassword !== "no") {
    const pam = auth();
    if (pam.outcome === "passed")
      return [step("credentials", "unknown", `${told}, and the rules of PAM let in without one`)];
    if (pam.outcome === "unknown") return [step("credentials", "unknown", `${told}; ${pam.message}`)];
  }
  const methods = (settings.get("authenticationmethods") ?? ["any"]).join(" ");
  const wanted = methods === "any" ? "" : `sshd wants ${methods}: `;
  const own = [...key.remedies, ...password.remedies];
  const other = `set AuthenticationMethods in ${CONFIGURATION} to what the user can show, for this user`;
  const remedy = (own.length > 0 ? own : [other]).join(", or: ");
  return [step("credentials", "failed", `${wanted}nobody can show to be ${account.name}: ${told}`, remedy)];
}

/** What sshd does once somebody has shown who they are, before the login shell. */
function sessionSteps(
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
          "/etc/nologin is there: nobody but root may log in",
          "once the machine is to be open again: mv /etc/nologin /etc/nologin.old",
        ),
      );
    if (
      shadow !== undefined &&
      ["password-must-change", "password-expired"].includes(accountAge(shadow, today()))
    ) {
      const message = "the password has to be changed: who logs in by it cannot, in a jail";
      steps.push(step("password-expired", "unknown", message, `passwd ${operands(account.name)}`));
    }
  }
  return steps;
}

/** Why sshd would not change its root to a directory: it and all above it are to be root's alone. */
function chrootObstacle(path: ByteString): ByteString | undefined {
  const parts = path.split("/").filter((part) => part !== "");
  for (let count = 0; count <= parts.length; count++) {
    const at = `/${parts.slice(0, count).join("/")}`;
    const stat = statIfPresent(AT_FDCWD, at, true);
    if (stat === undefined) return `${at} is not there`;
    if ((stat.mode & S_IFMT) !== S_IFDIR) return `${at} is no directory`;
    if (stat.uid !== 0 || (stat.mode & 0o022) !== 0) return `others than root can write ${at}`;
  }
  return undefined;
}

const chrootDirectory = (settings: SshdSettings, account: PasswdEntry) =>
  withTokens(firstOf(settings, "chrootdirectory"), account);

/** What ChrootDirectory does to a login shell that makes the jail itself. */
function chrootSteps(settings: SshdSettings, account: PasswdEntry, served: boolean): ReportStep[] {
  if (!isSet(settings, "chrootdirectory")) return [];
  const path = chrootDirectory(settings, account);
  const remedy = "let one of the two make the jail, not both";
  const obstacle = chrootObstacle(path);
  const what = `sshd itself changes the root to ${path}`;
  if (obstacle !== undefined) {
    const mend =
      "ChrootDirectory and all directories above it must be root's, and nobody else may write them";
    return [step("chroot-directory", "failed", `${what}, and cannot: ${obstacle}`, mend)];
  }
  if (served) return [step("chroot-directory", "passed", what)];
  if (statIfPresent(AT_FDCWD, `${path}${account.shell}`, true) === undefined)
    return [step("chroot-directory", "failed", `${what}, where there is no ${account.shell}`, remedy)];
  return [step("chroot-directory", "unknown", `${what} before it starts the login shell`, remedy)];
}

/**
 * What sshd would do for a user before and instead of the login shell, as far as it can be asked: only root can. `from`
 * is the address that the login comes from, undefined for any; `command` what a client asks for.
 */
export function sshdPart(
  account: PasswdEntry,
  who: Credentials,
  isRoot: boolean,
  from: ByteString | undefined,
  command: ByteString | undefined,
): SshdPart {
  const nothing = { unjailed: false, held: undefined, ownSftp: false, changesRoot: false, service: "sshd" };
  if (!isRoot)
    return {
      ...nothing,
      steps: [step("settings", "unknown", "only root can ask sshd and PAM what they do")],
    };
  const answer = loginWarnings({ ...account, groups: groupNamesOf(account) }, from);
  if ("unavailable" in answer) {
    // Without sshd there are other ways to log in.
    const outcome = answer.installed ? "unknown" : "skipped";
    return { ...nothing, steps: [step("settings", outcome, answer.unavailable)] };
  }
  const { settings, warnings } = answer;
  const shadow = shadowOf(account.name);
  const key = keyWay(settings, account, who, from);
  // By a password no command of a key is run.
  const byPassword = judgeWays(settings, {
    key: { ...key, can: "no" },
    password: passwordWay(settings, account, shadow),
  });
  const forced = forcedPart(settings, key, command, byPassword.can !== "no");
  const { unjailed, ownSftp } = forced;
  const service =
    firstOf(settings, "usepam") === "yes" ? firstOf(settings, "pamservicename") || "sshd" : undefined;
  const changesRoot = isSet(settings, "chrootdirectory");
  const variable = sshUserVariable(settings, account, who, key, service);
  const steps = [
    ...settingSteps(settings, account, from),
    ...admissionSteps(settings, account, from, shadow),
    ...credentialStep(settings, key, account, shadow, from),
    ...(service === undefined ? [] : pamSteps({ account, service, from })),
    ...sessionSteps(settings, account, shadow),
    ...chrootSteps(settings, account, unjailed),
    ...forced.steps,
    ...variableSteps(variable, account),
    ...warnings.map(({ code, message, remedy }) => step(code, "warned", message, remedy)),
  ];
  // With other settings sshd might not refuse.
  const open = steps.some(({ name, outcome }) => name === "match" && outcome === "unknown");
  if (open)
    for (const one of steps) if (one.stage === "sshd" && one.outcome === "failed") one.outcome = "unknown";
  return {
    ...{
      steps,
      unjailed,
      held: changesRoot ? chrootDirectory(settings, account) : undefined,
      ownSftp,
      changesRoot,
      service,
    },
    ...(forced.command === undefined ? {} : { forced: forced.command }),
    ...(variable?.value === undefined ? {} : { userVariable: variable.value }),
  };
}
