import type { ByteString } from "../../../ffi/bytes.ts";
import { environment } from "../../../ffi/guard.ts";
import { supplementaryGroups } from "../../../ffi/process.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import { describeError } from "../../cli/error.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { type CheckResult, runChecks } from "../../enter/checks.ts";
import { copyRemedy } from "../../enter/remedies.ts";
import {
  UCHROOT_CALLER_CHECKS,
  UCHROOT_HOST_CHECKS,
  UCHROOT_IN_JAIL_CHECKS,
} from "../../enter/uchroot/checks.ts";
import { uchrootSettingsOf } from "../../enter/uchroot/facts.ts";
import { type GatheredUchrootFacts, gatherUchroot } from "../../enter/uchroot/gather.ts";
import { uchrootEnvironment } from "../../enter/uchroot/uchroot.ts";
import type { FindMissing } from "../../libraries/missing.ts";
import { groupIdsOf, type PasswdEntry } from "../../system/accounts.ts";
import { commandAt } from "../../system/exchange.ts";
import { findProgram } from "../../system/run.ts";
import { beginReport } from "../account.ts";
import { installedPrivilege } from "../installed.ts";
import { limitSteps } from "../limits.ts";
import { readableFor } from "../readable.ts";
import { judgeReport, type LoginReport, type ReportStep } from "../report.ts";

const TOOL = "jk_uchroot";
const USUAL_PLACE = "/usr/bin/jk_uchroot";
const EXEC_FAILED = 111;
// Whoever calls it has logged in: most likely so.
const LOGIN_SERVICE = "sshd";

/** A call of jk_uchroot that is asked about, and by whom. */
export interface UchrootQuestion {
  user: ByteString;
  jail: ByteString;
  program: ByteString;
  programArguments: readonly ByteString[];
  callerUid: number;
  /** What a program needs and the root directory does not have, each as a printable line. */
  missingFiles: FindMissing;
}

const step = (result: Omit<ReportStep, "stage">): ReportStep => ({ stage: TOOL, ...result });

function checkStep({ name, outcome, exitStatus, message, remedy = "" }: CheckResult): ReportStep {
  return step({ name, outcome, message, remedy, exitStatus });
}

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

/** Adds whether the program can be executed, and with what. */
function explainProgram(report: LoginReport, question: UchrootQuestion, facts: GatheredUchrootFacts): void {
  const { program, programArguments, callerUid, missingFiles } = question;
  const jail = facts.jailPath();
  const fact = facts.program();
  const add = (name: string, message: ByteString, remedy: ByteString, outcome: "passed" | "failed") =>
    report.steps.push(step({ name, outcome, message, remedy, exitStatus: EXEC_FAILED }));
  if (fact.kind === "file" && !fact.executable) {
    const place = `${jail}/${program.replace(/^\/+/, "")}`;
    add(
      "exec",
      `${program} cannot be executed by the user`,
      commandAt(place, `chmod a+x ${shellWord(place)}`),
      "failed",
    );
    return;
  }
  const absolute = program.startsWith("/") ? program : `/${program}`;
  const missing = withRightsOf(undefined, () => missingFiles(jail, absolute));
  for (const { message, copy } of missing) add("libraries", message, copyRemedy(jail, ...copy), "failed");
  if (missing.length > 0) return;
  add("libraries", `the libraries and interpreters that ${program} names are there`, "", "passed");
  // What the caller would have in the environment is known only to the caller.
  const given = callerUid === 0 ? [] : environment();
  const { env } = uchrootSettingsOf(facts);
  const argv = [program, ...programArguments];
  report.command = { path: program, argv, environment: uchrootEnvironment(given, env), umask: undefined };
}

function explainChecks(report: LoginReport, question: UchrootQuestion, facts: GatheredUchrootFacts): void {
  const checks = [...UCHROOT_CALLER_CHECKS, ...UCHROOT_HOST_CHECKS, ...UCHROOT_IN_JAIL_CHECKS];
  const results: CheckResult[] = [];
  for (const result of runChecks(facts, checks)) {
    results.push(result);
    report.steps.push(checkStep(result));
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
 * What jk_uchroot would do for a user, found out without being that user. Root may ask about anyone; others about
 * themselves, with their own rights only. Throws JailkitError (2) for others.
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
    report.steps.push(step({ name: "error", outcome: "unknown", message: describeError(error), remedy: "" }));
  }
  judgeReport(report);
  return report;
}
