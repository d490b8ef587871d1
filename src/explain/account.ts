import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { suggest } from "../cli/suggest.ts";
import type { FindMissing } from "../libraries/dependency.ts";
import { namesIn } from "../system/account-tools.ts";
import { type PasswdEntry, passwdByName } from "../system/accounts.ts";
import { emptyReport, judgeReport, type LoginReport } from "./report.ts";
import { stepsOf } from "./steps.ts";

/** A question about a user, and who asks it. */
export interface UserQuestion {
  user: ByteString;
  callerUid: number;
  /** Finds dependencies of a program that are missing below a root directory. */
  missingFiles: FindMissing;
}

/**
 * Begins a report about a user. If there is no such account, the report is complete. Throws JailkitError (2) if the
 * caller is neither root nor that user.
 */
export function beginReport(
  user: ByteString,
  callerUid: number,
  about: LoginReport["about"],
): { report: LoginReport; account: PasswdEntry | undefined } {
  const report = emptyReport(user, about);
  const account = passwdByName(user);
  if (callerUid !== 0 && account?.uid !== callerUid) {
    throw new JailkitError("not-yourself", 2, "only root may ask about other users");
  }
  if (account === undefined) {
    const near = suggest(user, namesIn("/etc/passwd"));
    const message = "there is no such user on this machine";
    const remedy = near === undefined ? "getent passwd" : `did you mean ${quoted(near)}?`;
    report.steps.push(stepsOf("account")("account", "failed", message, remedy));
    judgeReport(report);
  } else {
    report.uid = account.uid;
    report.loginShell = account.shell;
  }
  return { report, account };
}
