import type { ByteString } from "../../../ffi/bytes.ts";
import type { Credentials } from "../../../ffi/rights.ts";
import { display } from "../../cli/display.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import { groupNamesOf, type PasswdEntry } from "../../system/accounts.ts";
import { accountAge, passwordState, type ShadowEntry, shadowOf, today } from "../../system/shadow.ts";
import { undecidedMatches } from "../../system/sshd/match.ts";
import { type SshdServer, serviceOf, unreadChange } from "../../system/sshd/running.ts";
import {
  CONFIGURATION,
  firstOf,
  isSet,
  type SshdSettings,
  sftpSubsystem,
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
import { chrootDirectory, chrootSteps, sessionSteps } from "./session.ts";

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
const RELOAD = "reload";

/** Reads the settings, and checks whether a Match block makes them depend on something unknown. */
function settingSteps(
  settings: SshdSettings,
  account: PasswdEntry,
  from: ByteString | undefined,
  file: ByteString,
): ReportStep[] {
  const keywords = ["forcecommand", "permittty", "allowtcpforwarding", "acceptenv"];
  const shown = keywords.filter((keyword) => isSet(settings, keyword));
  const sftp = sftpSubsystem(settings);
  const lines = shown.map((keyword) => `${keyword} ${firstOf(settings, keyword)}`);
  if (sftp !== undefined) lines.push(`subsystem sftp ${sftp}`);
  const steps = [step("settings", "passed", lines.join(", "))];
  const [open] = undecidedMatches(
    settings,
    { name: account.name, groups: groupNamesOf(account) },
    from,
    file,
  );
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

/** Nothing that sshd does, before any steps. */
export const NO_PART: SshdLogin = {
  steps: [],
  unjailed: false,
  held: undefined,
  ownSftp: false,
  changesRoot: false,
  service: "sshd",
};

/** A step about a change of the configuration that a server has not read. */
function reloadSteps(server: SshdServer, settings: SshdSettings): ReportStep[] {
  const change = unreadChange(server, settings);
  if (change === undefined || server.pid === undefined) return [];
  const unit = serviceOf(server.pid);
  const remedy =
    unit === undefined ? `kill -HUP ${shellWord(String(server.pid))}` : `systemctl reload ${operands(unit)}`;
  const path = display(change.path);
  const message = change.certain
    ? `${path} has changed, and sshd (process ${server.pid}) has not read it yet`
    : `${path} has changed since sshd (process ${server.pid}) started, and may not have been read yet`;
  return [step(RELOAD, "unknown", message, remedy)];
}

/**
 * Explains what a server of sshd does before and instead of the login shell. `from`: the client's address, undefined if
 * unknown; `command`: the client's command.
 */
export function explainServer(
  account: PasswdEntry,
  who: Credentials,
  server: SshdServer,
  from: ByteString | undefined,
  command: ByteString | undefined,
): SshdLogin {
  const answer = loginWarnings({ ...account, groups: groupNamesOf(account) }, from, server);
  if ("unavailable" in answer) {
    const { unavailable, installed, remedy } = answer;
    if (remedy !== undefined) return { ...NO_PART, steps: [step("settings", "failed", unavailable, remedy)] };
    // Without sshd there are other ways to log in.
    return { ...NO_PART, steps: [step("settings", installed ? "unknown" : "skipped", unavailable)] };
  }
  const { settings, warnings } = answer;
  const shadow = shadowOf(account.name);
  const key = keyAuthentication(settings, account, who, from, server.file);
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
    ...reloadSteps(server, settings),
    ...settingSteps(settings, account, from, server.file),
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
  const open = steps.some(
    ({ name, outcome }) => (name === "match" || name === RELOAD) && outcome === "unknown",
  );
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
