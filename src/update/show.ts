import type { JailRoot } from "../jail/fs/walk.ts";
import { actionMessage, type LineReporter } from "../populate/reporter.ts";
import { type Change, keptMessage } from "./plan/compare.ts";
import type { UpdatePlan } from "./plan/plan.ts";
import { changeLine, removalLine, type UpdateOutcome } from "./report.ts";

/** Shows what a plan says besides its changes. */
export function reportPlan(root: JailRoot, plan: UpdatePlan, reporter: LineReporter): void {
  for (const path of plan.skipped) reporter.say(`skip ${root.path}${path}`);
  for (const warning of plan.warnings) reporter.warn(warning);
  for (const problem of plan.problems) reporter.fail(problem);
  for (const note of plan.notes) reporter.detail(note);
  for (const each of plan.kept) reporter.message({ text: keptMessage(root, each), detail: !each.notable });
}

/** Shows the changes of a dry run. */
export function showChanges(
  { jail, changes, removals, extras }: UpdateOutcome,
  reporter: LineReporter,
): void {
  for (const each of changes)
    reporter.message({ text: changeLine(jail, each, true), detail: isDetail(each) });
  for (const removal of removals) reporter.say(removalLine(jail, removal, true));
  for (const { what } of extras) reporter.say(`will ${what} in ${jail}`);
}

/** True for changes of attributes, and for directories and symbolic links on the way to a requested file. */
function isDetail({ action, entry }: Change): boolean {
  if (action === "attributes") return true;
  return action === "create" && actionMessage({ ...entry, action }, "", false).detail;
}
