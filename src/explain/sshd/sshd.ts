import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, S_IFDIR, S_IFMT } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import type { Credentials } from "../../../ffi/rights.ts";
import { operands } from "../../cli/shell-word.ts";
import type { CheckOutcome } from "../../enter/checks.ts";
import { groupNamesOf, type PasswdEntry } from "../../system/accounts.ts";
import { accountAge, passwordState, type ShadowEntry, shadowOf, today } from "../../system/shadow.ts";
import { openMatches } from "../../system/sshd/match.ts";
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
import { judgeWays, type KeyWay, keyWay, passwordWay } from "./credentials.ts";
import { sshUserVariable, variableSteps } from "./environment.ts";
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

const INTERNAL = /^internal-sftp(\s|$)/;
const SFTP_SERVER = /^(?:\S*\/)?sftp-server(\s|$)/;

const step = (name: string, outcome: CheckOutcome, message: ByteString, remedy = ""): ReportStep => ({
  stage: "sshd",
  name,
  outcome,
  message,
  remedy,
});

/** Where sshd serves no sftp, a command is run all the same: a client may name the server. */
function subsystemSteps(settings: SshdSettings, command: ByteString | undefined): ReportStep[] {
  if (sftpSubsystem(settings) !== undefined || !SFTP_SERVER.test(command ?? "")) return [];
  const message =
    "sshd has no Subsystem sftp: it refuses sftp and scp, but to clients that name the server (-s)";
  const remedy = `write 'Subsystem sftp ${command}' into ${CONFIGURATION}`;
  return [step("subsystem", "unknown", message, remedy)];
}

/** The settings themselves, and whether a Match block makes them depend on what was not asked. */
function settingSteps(settings: SshdSettings, from: ByteString | undefined): ReportStep[] {
  const keywords = ["forcecommand", "permittty", "allowtcpforwarding", "acceptenv"];
  const shown = keywords.filter((keyword) => isSet(settings, keyword));
  const sftp = sftpSubsystem(settings);
  const told = shown.map((keyword) => `${keyword} ${firstOf(settings, keyword)}`);
  if (sftp !== undefined) told.push(`subsystem sftp ${sftp}`);
  const steps = [step("settings", "passed", told.join(", "))];
  const open = openMatches(settings).find(({ address }) => !address || from === undefined);
  if (open !== undefined) {
    const remedy = open.address ? "say where the login comes from: --from ADDRESS" : "";
    const what = open.address ? "where a login comes from" : "more than can be asked for";
    steps.push(step("match", "unknown", `the settings depend on ${what}: Match ${open.line}`, remedy));
  }
  return steps;
}

/** The numbers with which sshd refuses everybody; how many connections there are at a time is not looked at. */
function countSteps(settings: SshdSettings): ReportStep[] {
  const steps: ReportStep[] = [];
  if (firstOf(settings, "persourcemaxstartups") === "0") {
    const remedy = `set PerSourceMaxStartups to none, or to 1 or more, in ${CONFIGURATION}`;
    steps.push(step("startups", "failed", "sshd takes no connection (PerSourceMaxStartups 0)", remedy));
  }
  if (firstOf(settings, "maxauthtries") === "0") {
    const remedy = `set MaxAuthTries to 2 or more in ${CONFIGURATION}`;
    steps.push(step("max-auth-tries", "failed", "sshd lets nobody try to log in (MaxAuthTries 0)", remedy));
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
  const steps = countSteps(settings);
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
  if (can === "unknown") return [step("credentials", "unknown", told)];
  if (can === "yes") {
    const steps = [step("credentials", "passed", told)];
    const service = firstOf(settings, "pamservicename") || "sshd";
    if (key.can === "yes" || firstOf(settings, "usepam") !== "yes") return steps;
    return [...steps, pamStep("auth", { account, service, from })];
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

/** What runs in the place of the command that a client asks for. */
function forcedCommand(settings: SshdSettings, key: KeyWay): { forced?: ByteString; steps: ReportStep[] } {
  if (isSet(settings, "forcecommand")) return { forced: firstOf(settings, "forcecommand"), steps: [] };
  const commands = [...key.commands];
  const [only = ""] = commands;
  if (commands.every((command) => command === "")) return { steps: [] };
  if (commands.length === 1) {
    const message = `every key runs this command, whatever is asked for: ${only}`;
    return { forced: only, steps: [step("key-command", "passed", message)] };
  }
  const message = "what runs depends on the key: some keys have a command of their own";
  return { steps: [step("key-command", "unknown", message)] };
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
  const key = keyWay(settings, account, who);
  const { forced, steps: forcedSteps } = forcedCommand(settings, key);
  const ownSftp = INTERNAL.test(sftpSubsystem(settings) ?? "");
  // Who asks about the server of sftp asks about sftp.
  const unjailed = INTERNAL.test(
    forced ?? (ownSftp && SFTP_SERVER.test(command ?? "") ? "internal-sftp" : ""),
  );
  const service =
    firstOf(settings, "usepam") === "yes" ? firstOf(settings, "pamservicename") || "sshd" : undefined;
  const changesRoot = isSet(settings, "chrootdirectory");
  const variable = sshUserVariable(settings, account, who, key, service);
  const steps = [
    ...settingSteps(settings, from),
    ...admissionSteps(settings, account, from, shadow),
    ...credentialStep(settings, key, account, shadow, from),
    ...(service === undefined ? [] : pamSteps({ account, service, from })),
    ...sessionSteps(settings, account, shadow),
    ...chrootSteps(settings, account, unjailed),
    ...forcedSteps,
    ...subsystemSteps(settings, forced ?? command),
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
    ...(forced === undefined ? {} : { forced }),
    ...(variable?.value === undefined ? {} : { userVariable: variable.value }),
  };
}
