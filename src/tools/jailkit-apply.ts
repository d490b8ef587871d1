import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { absolutePath, standardError } from "../../ffi/guard.ts";
import { holdingSignals } from "../../ffi/interrupts.ts";
import { waitInLookUps } from "../../ffi/last-words.ts";
import { answered, describeError, isReported, JailkitError, UsageError } from "../cli/error.ts";
import { endInLookUpsWith } from "../cli/interrupt.ts";
import { BUSY, NO_WAIT, VERBOSE } from "../cli/options.ts";
import { jsonLine, printError, printJsonLine } from "../cli/output.ts";
import { defineTool, type ToolCall } from "../cli/tool.ts";
import type { Place } from "../config/model.ts";
import type { FaultText } from "../declaration/change.ts";
import { type Comparison, hasWork, UNCHANGED } from "../declaration/compare/compare.ts";
import { changesOf } from "../declaration/compare/work.ts";
import { DeclarationError } from "../declaration/errors.ts";
import { faultsOf } from "../declaration/foretell.ts";
import type { Remembered } from "../declaration/keep.ts";
import { DECLARATION_FILE } from "../declaration/known-file.ts";
import { countDeclaredHomes } from "../declaration/known-homes.ts";
import type { Meanwhile } from "../declaration/meanwhile.ts";
import { ONCE_FILE } from "../declaration/once.ts";
import { compileIf, MANY, type PlanOptions, settledPlan } from "../declaration/plan.ts";
import { ApplyReport } from "../declaration/report.ts";
import { APPLY, failedSummary, showErrors } from "../declaration/report-failed.ts";
import { eachOnce } from "../declaration/report-lines.ts";
import { unkeptBy } from "../declaration/unkept.ts";
import type { Doubt } from "../declaration/warnings.ts";
import { dueLogins } from "../jail/fs/login-notes.ts";
import { lockDeclarations } from "../jail/record/jail-lock.ts";
import { requireOwnState } from "../jail/record/state-directory.ts";
import { dueText, endDueLogins } from "../users/due-logins.ts";

/** The tools that it starts, loaded when there is work. */
const TOOLS = {
  jk_init: (async (args) => (await import("./jk_init.ts")).tool.call(args)) satisfies ToolCall,
  jk_cp: (async (args) => (await import("./jk_cp.ts")).tool.call(args)) satisfies ToolCall,
};

/** With the answers of dry runs: a run without work does not load their modules. */
async function foreseen(compared: Comparison, check: boolean): Promise<Comparison> {
  const { foreseeFilling } = await import("../declaration/compare/foresee-jail.ts");
  return foreseeFilling(compared, TOOLS, check);
}

/** What `jailkit config check` says of what is given: a run that gives nothing does not load its modules. */
async function doubtful({ jails }: Comparison, check: boolean): Promise<readonly Doubt[]> {
  const given = check || jails.some((work) => changesOf(work).length > 0);
  return given ? (await import("../lint/given.ts")).doubtsIn(jails, check) : [];
}

/** About what declared.json has of a user, in bytes. */
const USER_SIZE = 300;

/** What the problem of the whole run is about. */
const subjectOf = (files: readonly string[], { configDir }: Pick<PlanOptions, "configDir">): ByteString =>
  absolutePath(files[0] ?? configDir ?? DECLARATION_FILE);

/** A signal ends a plan also during a look-up of an account, which nobody may answer; it is told as between two steps. */
function endWhilePlanning(files: readonly string[], options: PlanOptions, due: readonly string[]): void {
  const { json, check } = options;
  endInLookUpsWith(UNCHANGED, json ? 1 : standardError, (error, exitStatus) =>
    json
      ? jsonLine({ ...failedSummary(error, subjectOf(files, options), check, due), exitStatus })
      : `${APPLY}: ${error.message}\n`,
  );
}

/** `due` gets what it says of connections before it reads anything. */
async function apply(files: readonly string[], options: PlanOptions, due: string[]): Promise<number> {
  const { check, json, noWait } = options;
  // Before its lock is taken there.
  requireOwnState();
  using _lock = check ? undefined : lockDeclarations({ tool: APPLY, noWait, json });
  due.push(...(check ? dueLogins().map((one) => `${dueText(one)}; a run ends them`) : endDueLogins()));
  // Now: a declaration may have errors.
  if (!json) for (const line of due) printError(`${APPLY}: warning: ${line}`);
  endWhilePlanning(files, options, due);
  compileIf((statIfPresent(AT_FDCWD, ONCE_FILE)?.size ?? 0) > MANY * USER_SIZE);
  const { remembered, comparison, unkept, meanwhile, unread, warnings, beside } = await settledPlan(
    files,
    options,
    (compared) => foreseen(compared, check),
  );
  const report = new ApplyReport({ ...options, unread, warnings: [...(json ? due : []), ...warnings] });
  // A run in which nothing has failed does not load it.
  const findings = async () => {
    const { findingsAt } = await import("../lint/findings.ts");
    return (places: readonly Place[]) => answered(() => findingsAt(places, remembered.declaration, beside));
  };
  const found = !json && faultsOf(comparison).length > 0 ? await findings() : undefined;
  const linesAt = found && ((places: readonly Place[]) => eachOnce(found(places)));
  report.plan(comparison, await doubtful(comparison, check), unkept, linesAt);
  try {
    if (!check) await carryOut(remembered, comparison, unkept, { ...options, meanwhile }, report);
  } catch (error) {
    report.broken(unkeptBy(error));
  }
  const places = report.places();
  return report.end(json && places.length > 0 ? (await findings())(places) : undefined);
}

async function carryOut(
  remembered: Remembered,
  comparison: Comparison,
  unkept: FaultText | undefined,
  options: PlanOptions & { readonly meanwhile: Meanwhile },
  report: ApplyReport,
): Promise<void> {
  const { ended, fault, broken, warn } = report;
  waitInLookUps();
  // Also forgets what is neither declared nor there any more.
  if (hasWork(comparison) || options.prune) {
    const all = await import("../declaration/carry-out/outside.ts");
    const means = { ...options, unkept, tools: TOOLS, tool: APPLY, ended, fault, broken, warn };
    await all.carryOutAndLook(remembered, comparison, means);
  } else if (unkept === undefined)
    (await import("../declaration/keep.ts")).keep(remembered, comparison, report);
}

/** `jailkit apply`: makes jails and users as files declare them. */
export const tool = defineTool({
  name: APPLY,
  summary: "make jails and users as the files of /etc/jailkit/jails.d declare them",
  synopsis: ["[OPTION...] [FILE...]", "[OPTION...] --check [--config-dir DIR | FILE...]"],
  options: {
    check: { description: "change nothing; exit with 10 if something is not as declared" },
    configDir: {
      value: "DIR",
      description: "with --check, read jails.ini and jails.d in this directory instead of /etc/jailkit",
      needs: "check",
    },
    prune: {
      description:
        "also remove what was declared once and is not any more: jails and all that their keys declare, users, groups, keys, rights",
    },
    deleteHomes: {
      description: "with --prune, also delete the homes of accounts that apply created",
      needs: "prune",
    },
    noWait: NO_WAIT,
    json: {
      description:
        "print JSON: an object in one line for each change when it was made, and then one for the whole",
    },
    verbose: VERBOSE,
  },
  exitStatus: {
    0: "everything is as declared",
    1: "something is not, and could not be made so; the message says what",
    2: "--delete-homes without --prune, or --config-dir without --check or with FILE",
    10: "something is not as declared (with --check; even if something else cannot be made so)",
    [BUSY]:
      "another tool is working on the jail (with --no-wait, or with --check if it may be the reason of an error)",
  },
  notes: `Without FILE, /etc/jailkit/jails.ini and the files of /etc/jailkit/jails.d are read; jails.ini(5) describes them. If one of them has errors, these are printed (up to 100, and all with --json), and nothing is done.

Otherwise a plan is printed, in which + is added, ~ is changed and - is removed. Then it is carried out, with the code of jk_init(8), jk_cp(8), jk_addjailuser(8), jk_jailuser(8) and the other tools, whose messages are printed. What fails in one jail, or for one user, leaves the others alone: fix what the message says, and run it again.

What was declared once and is not any more stays, unless --prune is given. No run removes an account that apply did not create; a home stays without --delete-homes.`,
  root: 5,
  async run({ options, operands }) {
    countDeclaredHomes();
    const { json, check, configDir } = options;
    if (configDir !== undefined && operands.length > 0)
      throw new UsageError("--config-dir is for --check without FILE", 2);
    const due: string[] = [];
    try {
      // A signal ends it between two steps, and is told.
      return await holdingSignals(() => apply(operands, options, due));
    } catch (error) {
      if (!isReported(error)) throw error;
      if (!json && error instanceof DeclarationError) return showErrors(error);
      if (!json) throw error;
      const whole =
        error instanceof JailkitError ? error : new JailkitError("failed", 1, describeError(error));
      const asked = whole.code === "bad-state" ? ONCE_FILE : subjectOf(operands, options);
      const path = whole.place?.file ?? asked;
      const summary = failedSummary(whole, path, check, due);
      printJsonLine(summary);
      return summary.exitStatus;
    }
  },
});
