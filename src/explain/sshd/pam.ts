import type { ByteString } from "../../../ffi/bytes.ts";
import { allAdvice } from "../../cli/remedy.ts";
import { isLocalUser } from "../../system/account-tools.ts";
import { groupNamesOf, type PasswdEntry } from "../../system/accounts.ts";
import { ACCOUNT_FILE_LIMIT } from "../../system/flat-accounts.ts";
import { hostNames, hostText } from "../../system/host-files.ts";
import { judgeModule } from "../../system/pam/modules.ts";
import type { PamKind } from "../../system/pam/rules.ts";
import { hasModule, serviceRules } from "../../system/pam/service.ts";
import { judgeStack, type PamSubject, type PamVerdict, runStack } from "../../system/pam/stack.ts";
import { countingShadow, today } from "../../system/shadow.ts";
import type { ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";

/** The account, the PAM service and the address of a session. */
interface PamQuestion {
  account: PasswdEntry;
  service: ByteString;
  from: ByteString | undefined;
}

/** The result of the rules of one kind. PAM itself is not asked, because it would count and log a login. */
function judgeService(kind: PamKind, { account, service, from }: PamQuestion): PamVerdict {
  const { name, uid, gid, shell, home } = account;
  const subject: PamSubject = {
    ...{ name, uid, gid, shell, home, service, from },
    groups: groupNamesOf(account),
    shadow: countingShadow(account, true),
    isLocal: isLocalUser(name),
    day: today(),
    read: (path) => hostText(path, ACCOUNT_FILE_LIMIT),
    list: hostNames,
    installed: hasModule,
  };
  return judgeStack(runStack(serviceRules(kind, service), (rule) => judgeModule(kind, rule, subject)));
}

/** A step about the rules of one kind. */
export function pamStep(kind: PamKind, question: PamQuestion): ReportStep {
  const step = stepsOf("pam");
  const verdict = judgeService(kind, question);
  const { service } = question;
  if (verdict.kind === "passed")
    return step(kind, "passed", `the ${kind} rules of the service ${service} let the user in`);
  if (verdict.kind === "unknown") {
    const what = verdict.answers.map(({ message }) => message).join("; ");
    const advice = allAdvice(verdict.answers.map((one) => one.advice ?? ""));
    return step(kind, "unknown", `the ${kind} rules of ${service}: ${what}`, advice);
  }
  const { result, because } = verdict;
  const why = because === undefined || because.message === "" ? `end in ${result}` : because.message;
  return step(kind, "failed", `the ${kind} rules of ${service}: ${why}`, because?.advice);
}

/** The steps about PAM before and at the start of a session. */
export function pamSteps(question: PamQuestion): ReportStep[] {
  return [pamStep("account", question), pamStep("session", question)];
}
