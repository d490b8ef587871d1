import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { inWords, type Remedy } from "../../cli/remedy.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import { isLocalUser } from "../../system/account-tools.ts";
import { groupNamesOf } from "../../system/accounts.ts";
import {
  accountAge,
  countingShadow,
  MISSING,
  NOT_EXPIRED,
  passwordState,
  shadowAdvice,
  today,
} from "../../system/shadow.ts";
import { undecidedMatches } from "../../system/sshd/match.ts";
import { type SshdServer, serviceOf, unreadChange } from "../../system/sshd/running.ts";
import {
  CONFIGURATION,
  firstOf,
  isOn,
  isSet,
  pamService,
  type SshdSettings,
  sftpSubsystem,
} from "../../system/sshd/settings.ts";
import { userRule } from "../../system/sshd/users.ts";
import { loginWarnings } from "../../system/sshd/warnings.ts";
import type { Subject } from "../account.ts";
import type { ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";
import { authenticationOf, authenticationSteps, passwordAuthentication } from "./authentication.ts";
import type { Connection } from "./connection.ts";
import { countSteps } from "./counts.ts";
import { sshUserVariable, variableSteps } from "./environment.ts";
import { type ForcedCommand, forcedCommand } from "./forced-command.ts";
import { keyAuthentication } from "./keys.ts";
import { pamSteps } from "./pam.ts";
import { chrootDirectory, chrootSteps, sessionSteps } from "./session.ts";

/** The part of sshd in a login. */
export interface SshdLogin extends ForcedCommand {
  /** The variable USER, if something sets it. */
  userVariable?: ByteString | undefined;
  /** The root directory to which sshd changes (ChrootDirectory); undefined if it does not. */
  root?: ByteString | undefined;
  /** The service of PAM that opens the session; undefined if there is none. */
  service: ByteString | undefined;
}

const step = stepsOf("sshd");
const RELOAD = "reload";

/** The settings, and whether a Match block makes them depend on something unknown. */
function settingSteps({ settings, account, groups, from, file }: Connection): ReportStep[] {
  const keywords = ["forcecommand", "permittty", "allowtcpforwarding", "acceptenv"];
  const shown = keywords.filter((keyword) => isSet(settings, keyword));
  const sftp = sftpSubsystem(settings);
  const lines = shown.map((keyword) => `${keyword} ${firstOf(settings, keyword)}`);
  if (sftp !== undefined) lines.push(`subsystem sftp ${sftp}`);
  const steps = [step("settings", "passed", lines.join(", "))];
  const [open] = undecidedMatches(settings, { name: account.name, groups }, from, file);
  if (open !== undefined) {
    const advice = open.address ? inWords("give the address of the client: --from ADDRESS") : "";
    const message = `the settings depend on ${open.what}: Match ${open.line}`;
    steps.push(step("match", "unknown", message, advice));
  }
  return steps;
}

/** The checks of sshd before authentication. */
function admissionSteps({ settings, account: { name }, groups, from, shadow }: Connection): ReportStep[] {
  const steps = countSteps(settings, from);
  if (isOn(settings, "refuseconnection")) {
    const advice = inWords(`take RefuseConnection out of ${CONFIGURATION}, for this user`);
    steps.push(step("refuse-connection", "failed", "sshd closes every connection of the user", advice));
  }
  const rule = userRule(settings, { name, groups }, from);
  if (rule === undefined)
    steps.push(step("allowed-users", "passed", "no list of users and groups excludes the user"));
  else {
    const outcome = rule.outcome === "refused" ? "failed" : "unknown";
    steps.push(step("allowed-users", outcome, rule.message, rule.advice));
  }
  if (isOn(settings, "usepam") || shadow === undefined) return steps;
  // Without PAM, sshd checks the account itself.
  if (passwordState(shadow.password) === "locked") {
    const message =
      "the account is locked (a ! before the password), and sshd without PAM accepts no key either";
    const advice = isLocalUser(name)
      ? (`usermod -p '*' ${operands(name)}` as const)
      : inWords("give it a password that matches nothing, such as *, where the account is kept");
    steps.push(step("account-locked", "failed", message, advice));
  }
  if (accountAge(shadow, today()) === "account-expired")
    steps.push(
      step(
        "account-expired",
        "failed",
        "the account has expired",
        shadowAdvice(isLocalUser(name), `chage -E -1 ${operands(name)}`, NOT_EXPIRED),
      ),
    );
  return steps;
}

/** A login in which sshd does nothing itself; without steps yet. */
export const NO_PART: SshdLogin = { steps: [], unjailed: false, ownSftp: false, service: "sshd" };

/** A step about a change of the configuration that a server has not read. */
function reloadSteps(server: SshdServer, settings: SshdSettings): ReportStep[] {
  const change = unreadChange(server, settings);
  if (change === undefined || server.pid === undefined) return [];
  const unit = serviceOf(server.pid);
  const remedy: Remedy =
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
  { account, who }: Subject,
  server: SshdServer,
  from: ByteString | undefined,
  command: ByteString | undefined,
): SshdLogin {
  const groups = groupNamesOf(account);
  const answer = loginWarnings({ ...account, groups }, { from, server });
  if ("unavailable" in answer) {
    const { unavailable, installed, words } = answer;
    if (words !== undefined)
      return { ...NO_PART, steps: [step("settings", "failed", unavailable, inWords(words))] };
    // Without sshd there are other ways to log in.
    return { ...NO_PART, steps: [step("settings", installed ? "unknown" : "skipped", unavailable)] };
  }
  const { settings, warnings } = answer;
  const counts = countingShadow(account, isOn(settings, "usepam"));
  const shadow = counts === MISSING ? undefined : counts;
  const connection: Connection = { account, who, groups, settings, file: server.file, shadow, from };
  const key = keyAuthentication(connection);
  const password = passwordAuthentication(settings, account, counts, isLocalUser(account.name));
  // A login by password ignores the commands of keys.
  const byPassword = authenticationOf(settings, { key: { ...key, can: "no" }, password }).can !== "no";
  const forced = forcedCommand(settings, key, command, byPassword);
  const service = pamService(settings);
  const variable = sshUserVariable(connection, key);
  const steps = [
    ...reloadSteps(server, settings),
    ...settingSteps(connection),
    ...admissionSteps(connection),
    ...authenticationSteps(connection, { key, password }),
    ...(service === undefined ? [] : pamSteps({ account, service, from })),
    ...sessionSteps(connection),
    ...chrootSteps(connection, forced.unjailed),
    ...forced.steps,
    ...variableSteps(variable, account),
    ...warnings.map(({ code, message, advice }) => step(code, "warned", message, advice)),
  ];
  // Other settings may apply, with which sshd would not refuse.
  const isOpen = steps.some(
    ({ name, outcome }) => (name === "match" || name === RELOAD) && outcome === "unknown",
  );
  if (isOpen)
    for (const one of steps) if (one.stage === "sshd" && one.outcome === "failed") one.outcome = "unknown";
  const root = chrootDirectory(connection);
  return { ...forced, steps, root, service, userVariable: variable?.value };
}
