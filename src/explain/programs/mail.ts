import type { ByteString } from "../../../ffi/bytes.ts";
import { supplementaryGroups } from "../../../ffi/process.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import { describeError } from "../../cli/error.ts";
import { type CheckResult, runChecks } from "../../enter/checks.ts";
import { isJailedHome, PROCMAIL, PROCMAIL_WRAPPER } from "../../enter/procmail/checks.ts";
import { gatherProcmail } from "../../enter/procmail/facts.ts";
import { copyRemedy } from "../../enter/remedies.ts";
import type { FindMissing } from "../../libraries/missing.ts";
import { groupIdsOf, type PasswdEntry } from "../../system/accounts.ts";
import { findProgram } from "../../system/run.ts";
import { beginReport } from "../account.ts";
import { installedPrivilege } from "../installed.ts";
import { MAIL_CHECKS } from "../login-checks.ts";
import { readableFor } from "../readable.ts";
import { judgeReport, type LoginReport, type ReportStep } from "../report.ts";

/** A question about a delivery of mail, and its caller. */
interface MailQuestion {
  user: ByteString;
  callerUid: number;
  /** Finds the files that a program needs and a root directory does not have. */
  missingFiles: FindMissing;
}

const step = (result: Omit<ReportStep, "stage">): ReportStep => ({ stage: "jk_procmailwrapper", ...result });

function checkStep({ name, outcome, exitStatus, message, remedy = "" }: CheckResult): ReportStep {
  return step({ name, outcome, message, remedy, exitStatus });
}

/** Adds whether procmail can start below `root`, and how it is executed. */
function explainProgram(
  report: LoginReport,
  root: ByteString,
  remedy: string,
  environment: ByteString[],
  missingFiles: MailQuestion["missingFiles"],
) {
  const missing = withRightsOf(undefined, () => missingFiles(root, PROCMAIL));
  for (const { message } of missing) {
    report.steps.push(step({ name: "libraries", outcome: "failed", message, remedy, exitStatus: 111 }));
  }
  if (missing.length > 0) return;
  const message = `the libraries of ${PROCMAIL} exist`;
  report.steps.push(step({ name: "libraries", outcome: "passed", message, remedy: "", exitStatus: 0 }));
  report.command = { path: PROCMAIL, argv: [PROCMAIL], environment, umask: undefined };
}

function explainDelivery(report: LoginReport, question: MailQuestion, account: PasswdEntry): void {
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
    report.steps.push(checkStep(result));
    failed ||= result.outcome !== "passed" && result.outcome !== "warned";
  }
  if (!jailed) {
    const message = `the home ${account.home} is not in a jail: the host's ${PROCMAIL} delivers the mail`;
    report.steps.push(step({ name: "jail", outcome: "passed", message, remedy: "", exitStatus: 0 }));
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
 * What jk_procmailwrapper would do with mail for a user. Root may ask about anyone, others about themselves. Throws
 * JailkitError (2) for everybody else.
 */
export function explainMail(question: MailQuestion): LoginReport {
  const { user, callerUid } = question;
  const { report, account } = beginReport(user, callerUid, PROCMAIL_WRAPPER);
  if (account === undefined) return report;
  try {
    const { uid, gid, name } = account;
    const groups = callerUid === 0 ? groupIdsOf(name, gid) : supplementaryGroups();
    withRightsOf({ uid, gid, groups }, () => explainDelivery(report, question, account));
  } catch (error) {
    report.steps.push(step({ name: "error", outcome: "unknown", message: describeError(error), remedy: "" }));
  }
  judgeReport(report);
  return report;
}
