import { isMissing } from "../../ffi/files.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { holdingSignals } from "../../ffi/interrupts.ts";
import { display, jsonText } from "../cli/display.ts";
import { problemFrom } from "../cli/error.ts";
import { statusAfterSignals } from "../cli/interrupt.ts";
import { onlyJail } from "../cli/jail-operand.ts";
import { BUSY_STATUS, DRY_RUN, JSON_OUTPUT, jailOption, NO_WAIT, VERBOSE } from "../cli/options.ts";
import { printError, printLine } from "../cli/output.ts";
import { problemReport } from "../cli/report.ts";
import { defineTool, type ToolOutput } from "../cli/tool.ts";
import { keptByDirectory, tellForgotten } from "../declaration/follow-move.ts";
import { lockJail } from "../jail/record/jail-lock.ts";
import { whereMoved } from "../jail/record/moved.ts";
import type { DeleteOutcome } from "../jails/delete.ts";
import { type ForgetPlan, forgetJail, planForget } from "../jails/forget.ts";
import type { ForgetReport } from "../jails/report-schema.ts";

const NAME = "jailkit forget";

function ended(plan: ForgetPlan, { steps, warnings, problems }: DeleteOutcome, dryRun: boolean): ToolOutput {
  const exitStatus = statusAfterSignals(problems.length === 0 ? 0 : 1);
  return {
    exitStatus,
    report: (): ForgetReport => ({
      version: 1,
      tool: NAME,
      jail: jsonText(plan.jail),
      dryRun,
      present: plan.present,
      records: plan.records.map(jsonText),
      users: plan.users.map(({ name }) => jsonText(name)),
      steps: steps.map(jsonText),
      warnings: warnings.map(jsonText),
      problems: problems.map(problemReport),
      exitStatus,
    }),
    print() {
      for (const warning of warnings) printError(`${NAME}: warning: ${warning}`);
      for (const { message } of problems) printError(`${NAME}: ${message}`);
    },
  };
}

/** `jailkit forget`: drops the record of a jail. */
export const tool = defineTool({
  name: NAME,
  summary: "drop the record and the log socket of a jail, and leave its files alone",
  synopsis: ["[OPTION...] JAIL", "[OPTION...] -j JAIL"],
  options: {
    jail: jailOption("the jail"),
    withUsers: {
      description:
        "also if users live in it, and its contents are there; without it they are a reason to refuse",
    },
    dryRun: DRY_RUN,
    noWait: NO_WAIT,
    json: JSON_OUTPUT,
    verbose: VERBOSE,
  },
  exitStatus: {
    0: "the jail is forgotten; users who live in it are a warning",
    1: "it is not, or not completely; the message says why",
    2: "no jail was named, or more than one",
    ...BUSY_STATUS,
  },
  notes: `For a jail that something else has removed or emptied, such as a hosting panel that keeps the site in it: jk_update --all, jk_check and 'jailkit list' know it no longer. It removes the record, the drop-in of jk_socketd.ini that jk_init wrote, and the lines of jk_init in fstab(5), for proc and for the directories of a live jail, unless these are mounted there: a warning says so. It changes no file of the jail, which may be missing, and no account. 'jailkit delete' deletes a jail with its files.

If users live in the jail and its contents are there, the command refuses: without a record, jk_update does not update their programs. If the jail is missing or emptied, it only warns of them: the order in which a panel removes accounts and jails does not matter. A jail in which users live stays known without a record. 'jailkit adopt' creates a new record.`,
  root: 5,
  run({ options, operands }) {
    const jail = absolutePath(onlyJail(options.jail, operands, 2));
    const { withUsers, dryRun, json } = options;
    try {
      using _lock = lockJail(jail, { tool: NAME, ...options, changes: !dryRun });
      const plan = planForget(jail, withUsers);
      if (dryRun && !json)
        printLine(`${display(jail)}: its record is dropped, and no file of it is changed.`);
      const say = options.verbose && !json ? printLine : () => undefined;
      // By its record, which goes.
      const now = dryRun || plan.present ? undefined : whereMoved(jail);
      const { elsewhere: gone } = keptByDirectory(jail);
      const outcome = holdingSignals(() => forgetJail(plan, dryRun ? undefined : say));
      if (!dryRun) outcome.warnings.push(...tellForgotten(jail, NAME, { to: now, gone }));
      return ended(plan, outcome, dryRun);
    } catch (error) {
      if (!json) throw error;
      const present = !isMissing(jail);
      const problems = [problemFrom(error, "failed", jail)];
      return ended({ jail, present, records: [], users: [] }, { steps: [], warnings: [], problems }, dryRun);
    }
  },
});
