import type { ByteString } from "../../../ffi/bytes.ts";
import { environment } from "../../../ffi/guard.ts";
import { supplementaryGroups } from "../../../ffi/process.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import { describeError } from "../../cli/error.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { type CheckResult, runChecks } from "../../enter/checks.ts";
import { copyRemedy } from "../../enter/remedies.ts";
import { uchrootSettingsOf } from "../../enter/uchroot/facts.ts";
import { type GatheredUchrootFacts, gatherUchroot } from "../../enter/uchroot/gather.ts";
import { uchrootEnvironment } from "../../enter/uchroot/uchroot.ts";
import type { Missing } from "../../libraries/dependency.ts";
import { groupIdsOf, type PasswdEntry } from "../../system/accounts.ts";
import { commandAt } from "../../system/exchange.ts";
import { findProgram } from "../../system/run.ts";
import { beginReport, type UserQuestion } from "../account.ts";
import { installedPrivilege } from "../installed.ts";
import { limitSteps } from "../limits.ts";
import { UCHROOT_CHECKS } from "../login-checks.ts";
import { readableFor } from "../readable.ts";
import { judgeReport, type LoginReport } from "../report.ts";
import { checkStep, librarySteps, stepsOf } from "../steps.ts";

const TOOL = "jk_uchroot";
const USUAL_PLACE = "/usr/bin/jk_uchroot";
const EXEC_FAILED = 111;
// The most likely service of the caller's login.
const LOGIN_SERVICE = "sshd";

/** A question about a call of jk_uchroot, and its caller. */
interface UchrootQuestion extends UserQuestion {
  jail: ByteString;
  program: ByteString;
  programArguments: readonly ByteString[];
}

const step = stepsOf(TOOL);

function factsFor(question: UchrootQuestion, account: PasswdEntry, isRoot: boolean): GatheredUchrootFacts {
  return gatherUchroot({
    programName: TOOL,
    uid: account.uid,
    gid: account.gid,
    userVariable: account.name,
    privilege: () => withRightsOf(undefined, () => installedPrivilege(findProgram(TOOL) ?? USUAL_PLACE)),
    account: () => account,
    groups: () => (isRoot ? groupIdsOf(account.name, account.gid) : supplementaryGroups()),
    asked: true,
    ...(isRoot ? { requireReadable: readableFor(account.uid) } : {}),
    jail: question.jail,
    program: question.program,
  });
}

/** Adds whether the program can be executed, and how. */
function explainProgram(report: LoginReport, question: UchrootQuestion, facts: GatheredUchrootFacts): void {
  const { program, programArguments, callerUid, missingFiles } = question;
  const jail = facts.jailPath();
  const fact = facts.program();
  if (fact.kind === "file" && !fact.executable) {
    const place = `${jail}/${program.replace(/^\/+/, "")}`;
    const remedy = commandAt(place, `chmod a+x ${shellWord(place)}`);
    report.steps.push(
      step("exec", "failed", `${program} cannot be executed by the user`, remedy, EXEC_FAILED),
    );
    return;
  }
  const absolute = program.startsWith("/") ? program : `/${program}`;
  const missing = withRightsOf(undefined, () => missingFiles(jail, absolute));
  const ending = ({ copy }: Missing) => ({ remedy: copyRemedy(jail, ...copy), exitStatus: EXEC_FAILED });
  report.steps.push(...librarySteps(TOOL, program, missing, ending));
  if (missing.length > 0) return;
  // Only the caller knows the caller's environment.
  const given = callerUid === 0 ? [] : environment();
  const { env } = uchrootSettingsOf(facts);
  const argv = [program, ...programArguments];
  report.command = { path: program, argv, environment: uchrootEnvironment(given, env), umask: undefined };
}

function explainChecks(report: LoginReport, question: UchrootQuestion, facts: GatheredUchrootFacts): void {
  const results: CheckResult[] = [];
  for (const result of runChecks(facts, UCHROOT_CHECKS)) {
    results.push(result);
    report.steps.push(checkStep(TOOL, result));
  }
  const passed = (name: string) =>
    results.some((one) => one.name === name && (one.outcome === "passed" || one.outcome === "warned"));
  const settings = passed("config-file") ? facts.settings() : undefined;
  if (settings?.kind === "found") {
    report.uchrootSection = settings.section;
    report.keptVariables = settings.values.env;
  }
  if (!passed("jail-path")) return;
  report.jail = facts.jailPath();
  if (passed("program")) explainProgram(report, question, facts);
}

/**
 * Explains a call of jk_uchroot by a user. Root may ask about anyone, others about themselves. Throws JailkitError (2)
 * for everybody else.
 */
export function explainUchroot(question: UchrootQuestion): LoginReport {
  const { user, callerUid } = question;
  const { report, account } = beginReport(user, callerUid, TOOL);
  const isRoot = callerUid === 0;
  if (account === undefined) return report;
  const { uid, gid } = account;
  const groups = isRoot ? groupIdsOf(account.name, gid) : supplementaryGroups();
  report.steps.push(...limitSteps(account, LOGIN_SERVICE));
  try {
    withRightsOf({ uid, gid, groups }, () =>
      explainChecks(report, question, factsFor(question, account, isRoot)),
    );
  } catch (error) {
    report.steps.push(step("error", "unknown", describeError(error)));
  }
  judgeReport(report);
  return report;
}
