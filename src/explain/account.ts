import type { ByteString } from "../../ffi/bytes.ts";
import { supplementaryGroups } from "../../ffi/process.ts";
import { type Credentials, withRightsOf } from "../../ffi/rights.ts";
import { quoted } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { type Advice, inWords } from "../cli/remedy.ts";
import { suggest } from "../cli/suggest.ts";
import type { Login } from "../enter/gather.ts";
import { exchangedAt } from "../jail/record/displaced.ts";
import { namesIn } from "../system/account-tools.ts";
import { groupIdsOf, type PasswdEntry } from "../system/accounts.ts";
import { hostUser, isRefusedName } from "../system/name-services.ts";
import { installedPrivilege } from "./installed.ts";
import { readableFor } from "./readable.ts";
import { emptyReport, judgeReport, type LoginReport, type ReportStep } from "./report.ts";
import { stepsOf } from "./steps.ts";

/** A question about a user, and who asks it. */
export interface UserQuestion {
  user: ByteString;
  callerUid: number;
}

/** The user of a question. */
export interface Subject {
  account: PasswdEntry;
  /** The user's rights to files. */
  who: Credentials & { groups: number[] };
  /** Root asks about the user. */
  onBehalf: boolean;
}

/** A report about a user; `explain` adds its steps. Throws JailkitError (2) unless root or that user asks. */
export function explainUser(
  { user, callerUid }: UserQuestion,
  about: LoginReport["about"],
  explain: (report: LoginReport, subject: Subject) => void,
): LoginReport {
  const report = emptyReport(user, about);
  const { account, unanswered } = findAccount(user);
  const onBehalf = callerUid === 0;
  if (!onBehalf && account?.uid !== callerUid)
    throw new JailkitError("not-yourself", 2, "only root may ask about other users");
  if (account === undefined) {
    const near = suggest(user, namesIn("/etc/passwd"));
    const guess = near === undefined ? "getent passwd" : inWords(`did you mean ${quoted(near)}?`);
    const { message, advice = "" } = unanswered ?? {
      message: "there is no such user on this machine",
      advice: guess,
    };
    report.steps.push(stepsOf("account")("account", "failed", message, advice));
  } else {
    const { name, uid, gid, shell } = account;
    report.uid = uid;
    report.loginShell = shell;
    const groups = onBehalf ? groupIdsOf(name, gid) : supplementaryGroups();
    explain(report, { account, who: { uid, gid, groups }, onBehalf });
    if (onBehalf) tellExchanged(report);
  }
  judgeReport(report);
  return report;
}

const OF_JAIL: readonly ReportStep["stage"][] = ["jk_chrootsh", "jk_lsh", "jk_uchroot", "jk_procmailwrapper"];

/** Of a jail that has exchanged its path with another one: what is amiss for the login would be done in the other one. */
function tellExchanged({ jail, steps }: LoginReport): void {
  const fault = jail === undefined ? undefined : exchangedAt(jail);
  if (jail === undefined || fault === undefined) return;
  const isOfJail = ({ stage }: ReportStep) => OF_JAIL.includes(stage);
  for (const step of steps) if (isOfJail(step)) step.remedy = "";
  const at = Math.max(0, steps.findIndex(isOfJail));
  const stage = steps[at]?.stage ?? "jk_chrootsh";
  steps.splice(at, 0, stepsOf(stage)("jail-moved", "warned", `${jail}: ${fault.message}`, fault.remedy));
}

/** The account, or else the reason why it is unknown whether there is one. */
function findAccount(user: ByteString): {
  account?: PasswdEntry;
  unanswered?: { message: ByteString; advice?: Advice };
} {
  try {
    const account = hostUser(user);
    return account === undefined ? {} : { account };
  } catch (error) {
    const start = inWords("start them; until then nobody of that service can log in");
    if (isRefusedName(error)) return { unanswered: { message: error.message } };
    if (error instanceof JailkitError && error.code === "name-service")
      return { unanswered: { message: error.message, advice: start } };
    throw error;
  }
}

/** Calls `explain`; if it throws, a step says so. */
export function orUnknown(report: LoginReport, stage: ReportStep["stage"], explain: () => void): void {
  try {
    explain();
  } catch (error) {
    report.steps.push(stepsOf(stage)("error", "unknown", describeError(error)));
  }
}

/** A call of a program by the user, for the checks of src/enter; `installed`: its path. */
export function callBy(
  { account, who, onBehalf }: Subject,
  programName: ByteString,
  installed: () => ByteString,
): Login {
  const { name, uid, gid } = account;
  const privilege = () => {
    const program = installed();
    return installedPrivilege(program, program === account.shell ? name : undefined);
  };
  return {
    ...{ programName, uid, gid, userVariable: name, asked: true },
    privilege: () => withRightsOf(undefined, privilege),
    account: () => account,
    groups: () => who.groups,
    ...(onBehalf ? { requireReadable: readableFor(uid) } : {}),
  };
}
