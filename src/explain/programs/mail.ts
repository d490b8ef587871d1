import type { ByteString } from "../../../ffi/bytes.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import { runChecks } from "../../enter/checks.ts";
import { gatherProcmail, isJailedHome, PROCMAIL, PROCMAIL_WRAPPER } from "../../enter/procmail/checks.ts";
import { copyRemedy } from "../../enter/remedies.ts";
import { findProgram } from "../../system/run.ts";
import { callBy, explainUser, orUnknown, type Subject, type UserQuestion } from "../account.ts";
import { librarySteps } from "../libraries.ts";
import { MAIL_CHECKS } from "../login-checks.ts";
import type { LoginReport } from "../report.ts";
import { addChecks, stepsOf } from "../steps.ts";

const EXEC_FAILED = 111;

/** Adds whether procmail can start below `root`, and how. */
function explainProgram(report: LoginReport, root: ByteString, remedy: string, environment: ByteString[]) {
  const ending = () => ({ remedy, exitStatus: EXEC_FAILED });
  const libraries = librarySteps(PROCMAIL_WRAPPER, root, PROCMAIL, ending);
  report.steps.push(...libraries);
  if (libraries.every(({ outcome }) => outcome === "passed"))
    report.command = { path: PROCMAIL, argv: [PROCMAIL], environment };
}

function explainDelivery(report: LoginReport, subject: Subject): void {
  const { home, name } = subject.account;
  const installed = () => findProgram(PROCMAIL_WRAPPER) ?? `/usr/sbin/${PROCMAIL_WRAPPER}`;
  const facts = gatherProcmail({ ...callBy(subject, PROCMAIL_WRAPPER, installed), userVariable: undefined });
  const jailed = isJailedHome(home);
  const checks = [...MAIL_CHECKS.host, ...(jailed ? MAIL_CHECKS.jail : [])];
  const passed = addChecks(report, PROCMAIL_WRAPPER, runChecks(facts, checks));
  const failed = checks.some((check) => !passed.has(check.name));
  if (!jailed) {
    const message = `the home ${home} is not in a jail: the host's ${PROCMAIL} delivers the mail`;
    report.steps.push(stepsOf(PROCMAIL_WRAPPER)("jail", "passed", message));
    if (!failed) explainProgram(report, "/", "install procmail", []);
    return;
  }
  const split = facts.split();
  if (split === undefined) return;
  report.jail = split.jail;
  report.home = split.home;
  const remedy = copyRemedy(split.jail, PROCMAIL);
  const environment = [`HOME=${split.home}`, `USER=${name}`];
  if (!failed) explainProgram(report, split.jail, remedy, environment);
}

/** Explains mail to a user through jk_procmailwrapper. Throws as explainUser. */
export function explainMail(question: UserQuestion): LoginReport {
  return explainUser(question, PROCMAIL_WRAPPER, (report, subject) =>
    orUnknown(report, PROCMAIL_WRAPPER, () =>
      withRightsOf(subject.who, () => explainDelivery(report, subject)),
    ),
  );
}
