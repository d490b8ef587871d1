import { isMissing } from "../../ffi/files.ts";
import { answered } from "../cli/error.ts";
import { shellWord } from "../cli/shell-word.ts";
import { openJailRoot } from "../jail/fs/walk.ts";
import { lostRemedy } from "../jail/record/named-jail.ts";
import { isLocalUser } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { jailOfHome } from "../system/separator.ts";
import { elsewhereAdvice, homeElsewhere } from "../users/own-home.ts";
import type { LoginReport, ReportStep } from "./report.ts";

/** Where the home is that the jail of an account lacks, and what moves it there; undefined if it is nowhere, or that is not known. */
export function elsewhereOf(user: PasswdEntry): ReturnType<typeof elsewhereAdvice> | undefined {
  const jail = jailOfHome(user.home);
  if (jail === undefined) return undefined;
  return answered(() => {
    using root = openJailRoot(jail);
    const found = homeElsewhere(user, root);
    return found && elsewhereAdvice(user, root.path, found);
  });
}

// An empty directory of root may keep the place of a home.
const LACKING = ["home-present", "home-owner"];

/**
 * For root, who can read the records: what brings back the jail of an account of which nothing is at its path, or else what shows
 * the ways.
 */
export function explainLost({ steps }: LoginReport, { name, home }: PasswdEntry, onBehalf: boolean): void {
  const jail = onBehalf ? jailOfHome(home) : undefined;
  const failed = ({ name, outcome }: ReportStep) => name === "jail-reachable" && outcome === "failed";
  if (jail === undefined || !steps.some(failed) || !isMissing(jail)) return;
  const remedy = lostRemedy(jail) ?? (isLocalUser(name) ? (`jailkit list ${shellWord(jail)}` as const) : "");
  for (const step of steps.filter(failed)) step.remedy = remedy;
}

/** For root, who can read the record: of a home that is elsewhere, the command moves it, and creates no empty one. */
export function explainElsewhere(report: LoginReport, user: PasswdEntry, onBehalf: boolean): void {
  const { steps } = report;
  explainLost(report, user, onBehalf);
  const lacking = steps.filter(
    ({ stage, name, outcome }) => stage === "jk_chrootsh" && LACKING.includes(name) && outcome === "failed",
  );
  const elsewhere = onBehalf && lacking.length > 0 ? elsewhereOf(user) : undefined;
  if (elsewhere === undefined) return;
  for (const one of lacking) {
    one.message = `${one.message}: ${elsewhere.message}`;
    one.remedy = elsewhere.remedy;
  }
}
