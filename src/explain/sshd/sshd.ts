import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, S_IFDIR, S_IFMT } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import type { Credentials } from "../../../ffi/rights.ts";
import { shadowEntry } from "../../../ffi/shadow.ts";
import { operands } from "../../cli/shell-word.ts";
import { groupNamesOf, type PasswdEntry } from "../../system/accounts.ts";
import { accountAge, passwordState, type ShadowEntry, today } from "../../system/shadow.ts";
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
import { stepsOf } from "../steps.ts";
import { countSteps } from "./counts.ts";
import { authenticationOf, passwordAuthentication } from "./credentials.ts";
import { sshUserVariable, variableSteps } from "./environment.ts";
import { forcedCommand } from "./forced-command.ts";
import { type KeyAuthentication, keyAuthentication } from "./keys.ts";
import { pamStep, pamSteps } from "./pam.ts";

/** The part of sshd in a login. */
export interface SshdLogin {
  steps: ReportStep[];
  /** The command that replaces any other; undefined if there is none. */
  forced?: ByteString;
  /** The variable USER, if something sets it. */
  userVariable?: ByteString;
  /** sshd serves every session itself, without the login shell. */
  unjailed: boolean;
  /** The root directory in which sshd serves them (ChrootDirectory). */
  held: ByteString | undefined;
  /** sshd serves sftp itself, and runs the login shell for other sessions. */
  ownSftp: boolean;
  /** sshd changes the root directory before it runs the login shell. */
  changesRoot: boolean;
  /** The service of PAM that opens the session; undefined if there is none. */
  service: ByteString | undefined;
}

const step = stepsOf("sshd");

/** Reads the settings, and checks whether a Match block makes them depend on something unknown. */
function settingSteps(
  settings: SshdSettings,
  account: PasswdEntry,
  from: ByteString | undefined,
): ReportStep[] {
  const keywords = ["forcecommand", "permittty", "allowtcpforwarding", "acceptenv"];
  const shown = keywords.filter((keyword) => isSet(settings, keyword));
  const sftp = sftpSubsystem(settings);
  const lines = shown.map((keyword) => `${keyword} ${firstOf(settings, keyword)}`);
  if (sftp !== undefined) lines.push(`subsystem sftp ${sftp}`);
  const steps = [step("settings", "passed", lines.join(", "))];
  const [open] = undecidedMatches(settings, { name: account.name, groups: groupNamesOf(account) }, from);
  if (open !== undefined) {
    const remedy = open.address ? "give the address of the client: --from ADDRESS" : "";
    const message = `the settings depend on ${open.what}: Match ${open.line}`;
    steps.push(step("match", "unknown", message, remedy));
  }
  return steps;
}

/** The checks of sshd before authentication. */
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
    steps.push(step("refuse-connection", "failed", "sshd closes every connection of the user", remedy));
  }
  const rule = userRule(settings, { name, groups: groupNamesOf(account) }, from);
  if (rule === undefined)
    steps.push(step("allowed-users", "passed", "no list of users and groups excludes the user"));
  else {
    const outcome = rule.outcome === "refused" ? "failed" : "unknown";
    steps.push(step("allowed-users", outcome, rule.message, rule.remedy));
  }
  if (firstOf(settings, "usepam") === "yes" || shadow === undefined) return steps;
  // Without PAM, sshd checks the account itself.
  if (passwordState(shadow.password) === "locked") {
    const message =
      "the account is locked (a ! before the password), and sshd without PAM accepts no key either";
    const remedy = `give it a password that matches nothing: usermod -p '*' ${operands(name)}`;
    steps.push(step("account-locked", "failed", message, remedy));
  }
  if (accountAge(shadow, today()) === "account-expired")
    steps.push(step("account-expired", "failed", "the account has expired", `chage -E -1 ${operands(name)}`));
  return steps;
}

/** Checks whether the user can authenticate. */
function credentialSteps(
  settings: SshdSettings,
  key: KeyAuthentication,
  account: PasswdEntry,
  shadow: ShadowEntry | undefined,
  from: ByteString | undefined,
): ReportStep[] {
  const password = passwordAuthentication(settings, account, shadow);
  const { can, why } = authenticationOf(settings, { key, password });
  const reasons = [...key.why, ...password.why, ...why].join("; ");
  const byPam = firstOf(settings, "usepam") === "yes";
  const service = firstOf(settings, "pamservicename") || "sshd";
  const auth = () => pamStep("auth", { account, service, from });
  if (can === "unknown") return [step("credentials", "unknown", reasons, key.remedies.join("; "))];
  const withoutPassword = authenticationOf(settings, {
    key,
    password: { can: "no", why: [], remedies: [] },
  }).can;
  if (can === "yes") {
    const steps = [step("credentials", "passed", reasons)];
    if (withoutPassword === "yes" || !byPam) return steps;
    const pam = auth();
    // If PAM refuses the password, a key may still be accepted.
    if (pam.outcome === "failed" && withoutPassword === "unknown") pam.outcome = "unknown";
    return [...steps, pam];
  }
  // A module other than pam_unix may accept a password.
  const anyPassword = authenticationOf(settings, {
    key,
    password: { can: "yes", why: [], remedies: [] },
  }).can;
  if (byPam && password.byShadow === true && anyPassword !== "no") {
    const pam = auth();
    if (pam.outcome === "passed")
      return [step("credentials", "unknown", `${reasons}; the rules of PAM need none`)];
    if (pam.outcome === "unknown") return [step("credentials", "unknown", `${reasons}; ${pam.message}`)];
  }
  const methods = (settings.get("authenticationmethods") ?? ["any"]).join(" ");
  const wanted = methods === "any" ? "" : `sshd needs ${methods}: `;
  const own = [...key.remedies, ...password.remedies];
  const other = `set AuthenticationMethods in ${CONFIGURATION} to methods that the user has, for this user`;
  const remedy = (own.length > 0 ? own : [other]).join(", or: ");
  return [step("credentials", "failed", `${wanted}${account.name} cannot authenticate: ${reasons}`, remedy)];
}

/** The steps of sshd between authentication and the login shell. */
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

const chrootDirectory = (settings: SshdSettings, account: PasswdEntry) =>
  withTokens(firstOf(settings, "chrootdirectory"), account);

/** The effect of ChrootDirectory on a login shell that enters a jail itself. */
function chrootSteps(settings: SshdSettings, account: PasswdEntry, served: boolean): ReportStep[] {
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

/**
 * Explains what sshd does before and instead of the login shell. Only root can ask. `from`: the client's address,
 * undefined if unknown; `command`: the client's command.
 */
export function explainSshd(
  account: PasswdEntry,
  who: Credentials,
  isRoot: boolean,
  from: ByteString | undefined,
  command: ByteString | undefined,
): SshdLogin {
  const nothing = { unjailed: false, held: undefined, ownSftp: false, changesRoot: false, service: "sshd" };
  if (!isRoot)
    return {
      ...nothing,
      steps: [step("settings", "unknown", "only root can ask sshd and PAM what they do")],
    };
  const answer = loginWarnings({ ...account, groups: groupNamesOf(account) }, from);
  if ("unavailable" in answer) {
    const { unavailable, installed, remedy } = answer;
    if (remedy !== undefined) return { ...nothing, steps: [step("settings", "failed", unavailable, remedy)] };
    // Without sshd there are other ways to log in.
    return { ...nothing, steps: [step("settings", installed ? "unknown" : "skipped", unavailable)] };
  }
  const { settings, warnings } = answer;
  const shadow = shadowEntry(account.name);
  const key = keyAuthentication(settings, account, who, from);
  // A login by password ignores the commands of keys.
  const byPassword = authenticationOf(settings, {
    key: { ...key, can: "no" },
    password: passwordAuthentication(settings, account, shadow),
  });
  const forced = forcedCommand(settings, key, command, byPassword.can !== "no");
  const { unjailed, ownSftp } = forced;
  const service =
    firstOf(settings, "usepam") === "yes" ? firstOf(settings, "pamservicename") || "sshd" : undefined;
  const changesRoot = isSet(settings, "chrootdirectory");
  const variable = sshUserVariable(settings, account, who, key, service);
  const steps = [
    ...settingSteps(settings, account, from),
    ...admissionSteps(settings, account, from, shadow),
    ...credentialSteps(settings, key, account, shadow, from),
    ...(service === undefined ? [] : pamSteps({ account, service, from })),
    ...sessionSteps(settings, account, shadow),
    ...chrootSteps(settings, account, unjailed),
    ...forced.steps,
    ...variableSteps(variable, account),
    ...warnings.map(({ code, message, remedy }) => step(code, "warned", message, remedy)),
  ];
  // Other settings may apply, with which sshd would not refuse.
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
