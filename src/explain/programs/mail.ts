import type { ByteString } from "../../../ffi/bytes.ts";
import { supplementaryGroups } from "../../../ffi/process.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import { describeError } from "../../cli/error.ts";
import { runChecks } from "../../enter/checks.ts";
import { gatherProcmail, isJailedHome, PROCMAIL, PROCMAIL_WRAPPER } from "../../enter/procmail/checks.ts";
import { copyRemedy } from "../../enter/remedies.ts";
import { groupIdsOf, type PasswdEntry } from "../../system/accounts.ts";
import { findProgram } from "../../system/run.ts";
import { beginReport, type UserQuestion } from "../account.ts";
import { installedPrivilege } from "../installed.ts";
import { MAIL_CHECKS } from "../login-checks.ts";
import { readableFor } from "../readable.ts";
import { judgeReport, type LoginReport } from "../report.ts";
import { checkStep, librarySteps, stepsOf } from "../steps.ts";

const EXEC_FAILED = 111;

const step = stepsOf(PROCMAIL_WRAPPER);

/** Adds whether procmail can start below `root`, and how. */
function explainProgram(
  report: LoginReport,
  root: ByteString,
  remedy: string,
  environment: ByteString[],
  missingFiles: UserQuestion["missingFiles"],
) {
  const missing = withRightsOf(undefined, () => missingFiles(root, PROCMAIL));
  const ending = () => ({ remedy, exitStatus: EXEC_FAILED });
  report.steps.push(...librarySteps(PROCMAIL_WRAPPER, PROCMAIL, missing, ending));
  if (missing.length === 0)
    report.command = { path: PROCMAIL, argv: [PROCMAIL], environment, umask: undefined };
}

function explainDelivery(report: LoginReport, question: UserQuestion, account: PasswdEntry): void {
  const isRoot = question.callerUid === 0;
  const facts = gatherProcmail({
    programName: PROCMAIL_WRAPPER,
    uid: account.uid,
    gid: account.gid,
    userVariable: undefined,
    privilege: () =>
      withRightsOf(undefined, () =>
        installedPrivilege(findProgram(PROCMAIL_WRAPPER) ?? `/usr/sbin/${PROCMAIL_WRAPPER}`),
      ),
    account: () => account,
    groups: () => (isRoot ? groupIdsOf(account.name, account.gid) : supplementaryGroups()),
    asked: true,
    ...(isRoot ? { requireReadable: readableFor(account.uid) } : {}),
  });
  const jailed = isJailedHome(account.home);
  let failed = false;
  for (const result of runChecks(facts, [...MAIL_CHECKS.host, ...(jailed ? MAIL_CHECKS.jail : [])])) {
    report.steps.push(checkStep(PROCMAIL_WRAPPER, result));
    failed ||= result.outcome !== "passed" && result.outcome !== "warned";
  }
  if (!jailed) {
    const message = `the home ${account.home} is not in a jail: the host's ${PROCMAIL} delivers the mail`;
    report.steps.push(step("jail", "passed", message));
    if (!failed) explainProgram(report, "/", "install procmail", [], question.missingFiles);
    return;
  }
  const split = facts.split();
  if (split === undefined) return;
  report.jail = split.jail;
  report.home = split.home;
  const remedy = copyRemedy(split.jail, PROCMAIL);
  const environment = [`HOME=${split.home}`, `USER=${account.name}`];
  if (!failed) explainProgram(report, split.jail, remedy, environment, question.missingFiles);
}

/**
 * Explains mail to a user through jk_procmailwrapper. Root may ask about anyone, others about themselves. Throws
 * JailkitError (2) for everybody else.
 */
export function explainMail(question: UserQuestion): LoginReport {
  const { user, callerUid } = question;
  const { report, account } = beginReport(user, callerUid, PROCMAIL_WRAPPER);
  if (account === undefined) return report;
  try {
    const { uid, gid, name } = account;
    const groups = callerUid === 0 ? groupIdsOf(name, gid) : supplementaryGroups();
    withRightsOf({ uid, gid, groups }, () => explainDelivery(report, question, account));
  } catch (error) {
    report.steps.push(step("error", "unknown", describeError(error)));
  }
  judgeReport(report);
  return report;
}
