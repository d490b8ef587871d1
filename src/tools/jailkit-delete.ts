import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { holdingSignals } from "../../ffi/interrupts.ts";
import { counted, display, jsonText } from "../cli/display.ts";
import { JailkitError, problemFrom, UsageError } from "../cli/error.ts";
import { ask } from "../cli/input.ts";
import { statusAfterSignals } from "../cli/interrupt.ts";
import { onlyJail } from "../cli/jail-operand.ts";
import { BUSY, BUSY_STATUS, DRY_RUN, jailOption, NO_WAIT, VERBOSE } from "../cli/options.ts";
import { printError, printLine } from "../cli/output.ts";
import { problemReport } from "../cli/report.ts";
import { defineTool, type ToolOutput } from "../cli/tool.ts";
import { followAccounts, keptByDirectory, tellForgotten } from "../declaration/follow-move.ts";
import { lockJail } from "../jail/record/jail-lock.ts";
import { type DeleteOutcome, deleteJail, foreseeDeletion, settingsLeft } from "../jails/delete.ts";
import { planDelete } from "../jails/delete-plan.ts";
import type { DeletePlan, DeleteRequest } from "../jails/delete-request.ts";
import { ownerName, ownerReport } from "../jails/owners.ts";
import type { DeleteReport } from "../jails/report-schema.ts";
import { endDueLogins } from "../users/due-logins.ts";

const NAME = "jailkit delete";

/** What deleting the jail would do, for the question whether to do it. */
function summary({ jail, seen, users, owners, mounts, files, bytes, userBytes }: DeletePlan): string[] {
  const shown = display(jail);
  if (seen === undefined) return [`${shown} is missing: only its records are deleted.`];
  const mib = (number: number) => `${(number / (1 << 20)).toFixed(1)} MiB`;
  const lines = [`${shown}: ${counted(files, "file")}, ${mib(bytes)}`];
  if (userBytes > 0) lines.push(`${mib(userBytes)} of that belong to users.`);
  for (const { name, fromService } of users) {
    const what = fromService
      ? ", whose account is not in /etc/passwd, lives in it."
      : " is taken out, with the home.";
    lines.push(`The user ${display(name)}${what}`);
  }
  for (const owner of owners)
    lines.push(`${owner.objects} files and directories of ${ownerName(owner)} are deleted.`);
  for (const { path, type } of mounts) {
    const what = path === "/" ? `${shown}, and keeps the files` : `${shown}${display(path)}`;
    lines.push(`${display(type)} is unmounted from ${what}.`);
  }
  return lines;
}

/** Asks. Enter means no. */
function agreed(plan: DeletePlan): boolean {
  summary(plan).forEach(printLine);
  for (const left of settingsLeft(plan.jail)) printLine(`This stays: ${left}`);
  const answer = ask(`Delete ${display(plan.jail)}? [y/N] `);
  return answer !== undefined && /^(?:y|yes)$/i.test(answer.trim());
}

function ended(plan: DeletePlan, { steps, warnings, problems }: DeleteOutcome, dryRun: boolean): ToolOutput {
  const failure = problems.some(({ code }) => code === "busy") ? BUSY : 1;
  const exitStatus = statusAfterSignals(problems.length === 0 ? 0 : failure);
  return {
    exitStatus,
    report: (): DeleteReport => ({
      version: 1,
      tool: NAME,
      jail: jsonText(plan.jail),
      dryRun,
      present: plan.seen !== undefined,
      files: plan.files,
      bytes: plan.bytes,
      userBytes: plan.userBytes,
      users: plan.users.map(({ name }) => jsonText(name)),
      owners: plan.owners.map(ownerReport),
      mounts: plan.mounts.map(({ path, type }) => ({ path: jsonText(path), type: jsonText(type) })),
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

/** Throws JailkitError if the administrator agreed to something else. */
function requireSame(agreed: DeletePlan, now: DeletePlan): void {
  const what = ({ seen, users, owners, mounts }: DeletePlan) =>
    JSON.stringify([
      [String(seen?.ino), users.map(({ name }) => name)],
      [owners.map(({ uid }) => uid), mounts.map(({ path }) => path)],
    ]);
  if (what(agreed) === what(now)) return;
  const message = `${display(now.jail)}: was changed before the answer; nothing was deleted, run this again`;
  throw new JailkitError("changed", 1, message);
}

/** The report for a jail that is not deleted. */
function refused(
  request: DeleteRequest,
  error: unknown,
  dryRun: boolean,
  due: readonly string[],
): ToolOutput {
  const { jail } = request;
  const nothing = {
    records: [],
    users: [],
    mounts: [],
    leftOnMounts: [],
    owners: [],
    files: 0,
    bytes: 0,
    userBytes: 0,
  };
  const plan = { request, jail, seen: attempt(() => statIfPresent(AT_FDCWD, jail)), ...nothing };
  return ended(
    plan,
    { steps: [], warnings: [...due], problems: [problemFrom(error, "failed", jail)] },
    dryRun,
  );
}

/** `jailkit delete`: deletes a jail. */
export const tool = defineTool({
  name: NAME,
  summary: "delete a jail, with its log socket, its mounts and its record",
  synopsis: ["[OPTION...] JAIL", "[OPTION...] -j JAIL"],
  options: {
    jail: jailOption("the jail"),
    yes: { short: "y", description: "do not ask" },
    unjail: {
      description:
        "take users who live in it out first, with their homes; without it they are a reason to refuse",
    },
    userFiles: {
      description:
        "delete files of users too, also of accounts that are not in /etc/passwd; without it they are a reason to refuse",
    },
    noWait: NO_WAIT,
    dryRun: DRY_RUN,
    json: { description: "print one JSON object instead of lines; needs --yes or --dry-run" },
    verbose: VERBOSE,
  },
  exitStatus: {
    0: "the jail was deleted",
    1: "it was not, or not completely; the message says why",
    2: "no jail was named, or more than one, the answer was no, or --json without --yes and --dry-run",
    ...BUSY_STATUS,
  },
  notes: `Only a jail that 'jailkit list' shows is deleted, and only while no process runs in it. Files of users other than root prevent it, unless they are as jailkit put them there, or their owner is taken out; the message names the owners, as the name services of the host know them. File systems that are mounted in the jail are unmounted, never emptied; files of users on one that is only in memory, and mounted nowhere else, such as a tmpfs, are gone then, and count as those in the jail. On all others they stay; a warning names a uid of theirs that no account has.

The homes of users who are taken out move to where they were before, or to the same path on the host; other files of these users are deleted with the jail. If a home gets new files after it was copied, that home and the jail stay, and the message says where they are. Users without a recorded shell from before they were jailed get one that lets nobody in, and a warning says so. Accounts that are not in /etc/passwd, such as those of LDAP, cannot be taken out here.

After an error or an interruption the command can be repeated. 'jailkit forget' drops only the record of a jail, and leaves its files alone.`,
  root: 5,
  run({ options, operands }) {
    const jail = onlyJail(options.jail, operands, 2);
    const { unjail, userFiles, dryRun, json } = options;
    if (json && !options.yes && !dryRun)
      throw new UsageError("--json does not ask: use --yes or --dry-run too", 2);
    const request: DeleteRequest = { jail: absolutePath(jail), unjail, userFiles };
    const asks = !options.yes && !dryRun;
    // The question comes before the lock, since nobody may answer.
    const shown = asks ? planDelete(request) : undefined;
    if (shown !== undefined && !agreed(shown)) {
      printError(`${NAME}: nothing was deleted`);
      return 2;
    }
    let due: readonly string[] = [];
    try {
      using _lock = lockJail(request.jail, { tool: NAME, ...options, changes: !dryRun });
      if (!dryRun) due = endDueLogins();
      if (!json) for (const line of due) printError(`${NAME}: warning: ${line}`);
      const plan = planDelete(request);
      if (shown !== undefined) requireSame(shown, plan);
      if (dryRun && !json) summary(plan).forEach(printLine);
      if (dryRun) return ended(plan, foreseeDeletion(plan), dryRun);
      const say = options.verbose && !json ? printLine : () => undefined;
      const { here: gone } = keptByDirectory(plan.jail);
      const outcome = holdingSignals(() => deleteJail(plan, say, (runs) => followAccounts(runs, NAME)));
      if (outcome.problems.length === 0) outcome.warnings.push(...tellForgotten(plan.jail, NAME, { gone }));
      if (json) outcome.warnings.unshift(...due);
      return ended(plan, outcome, dryRun);
    } catch (error) {
      if (!json) throw error;
      return refused(request, error, dryRun, due);
    }
  },
});
