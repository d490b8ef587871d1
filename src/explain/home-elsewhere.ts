import { isMissing } from "../../ffi/files.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { shellWord } from "../cli/shell-word.ts";
import { openJailRoot } from "../jail/fs/walk.ts";
import { lostRemedy } from "../jail/record/named-jail.ts";
import { isLocalUser } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { jailOfHome } from "../system/separator.ts";
import { elsewhereAdvice, homeElsewhere } from "../users/own-home.ts";
import { strayFault, strayHome } from "../users/stray-home.ts";
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
  if (!onBehalf || explainStray(steps, user)) return;
  const lacking = failedOf(steps, LACKING);
  const elsewhere = lacking.length > 0 ? elsewhereOf(user) : undefined;
  if (elsewhere === undefined) return;
  for (const one of lacking) {
    one.message = `${one.message}: ${elsewhere.message}`;
    one.remedy = elsewhere.remedy;
  }
}

const failedOf = (steps: readonly ReportStep[], names: readonly string[]) =>
  steps.filter(
    ({ stage, name, outcome }) => stage === "jk_chrootsh" && names.includes(name) && outcome === "failed",
  );

// In the jail of now, a line or a home would let the account in to what is not its home.
const GIVEN = [...LACKING, "jail-user", "jail-home", "shell"];

/** The same of a home that is, or may be, in another jail; true if it is. */
function explainStray(steps: readonly ReportStep[], user: PasswdEntry): boolean {
  const [first, ...more] = failedOf(steps, GIVEN);
  const stray = first === undefined ? undefined : strayHome(user);
  if (first === undefined || stray === undefined) return false;
  const { message, remedy = "" } = strayFault(user, stray);
  for (const one of [first, ...more]) one.remedy = remedy;
  first.message = `${first.message}: ${quoted(user.name)} ${message}`;
  return true;
}
