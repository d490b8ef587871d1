import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { readLink } from "../../ffi/files.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import { answered, JailkitError } from "../cli/error.ts";
import { printError } from "../cli/output.ts";
import { jailedUsers, usersByJail } from "../jail/accounts/jailed-users.ts";
import { mountRemedy, unmountedReason } from "../jail/fs/unmounted.ts";
import { exchangedAt } from "../jail/record/displaced.ts";
import { lostJail } from "../jail/record/moved.ts";
import { followRemedy } from "../jail/record/named-jail.ts";
import { createLoader } from "../libraries/closure.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { countedProblems, isPassedOver } from "../populate/passed-over.ts";
import { LineReporter, problemAt } from "../populate/reporter.ts";
import { versionsOf } from "../system/host-files.ts";
import { HostMemory } from "./memory.ts";
import { hasWork, jailReport, type UpdateOutcome, untouched } from "./report.ts";
import type { UpdatedJailReport } from "./report-schema.ts";
import { type UpdateContext, type UpdateOptions, updateJail } from "./update.ts";

const NO_ROOM = "no-room";

/** How the updates of one run are shown. */
export interface UpdaterOptions {
  readonly tool: string;
  readonly verbose: boolean;
  /** A report as JSON instead of lines. */
  readonly json: boolean;
  /** Nothing is changed, and only problems are shown. */
  readonly check: boolean;
  /** All problems count for the exit status; see countedProblems. */
  readonly strict: boolean;
}

/** What remains of the update of a jail; a run has thousands. */
export interface UpdateResult {
  readonly jail: ByteString;
  /** It is not up to date, or was not. */
  readonly work: boolean;
  /** The codes of the problems that count for the exit status. */
  readonly failures: readonly string[];
  /** With `json`; undefined for a jail of which nothing is said. */
  readonly report: UpdatedJailReport | undefined;
  /** It could not be updated at all. */
  readonly problem?: PopulateProblem;
  /** A file system was full; perhaps of files that other processes were preparing. */
  readonly noRoom?: boolean;
  /** As in UpdateOutcome. */
  readonly unrecorded?: boolean;
  /** About a jail that is missing or emptied. */
  readonly warnings?: readonly string[];
}

/** The login shells of the users of a jail, and the jk_chrootsh beside the running program. */
function loginsOf(tool: string): UpdateContext["loginsOf"] {
  // proc(5) may not be mounted.
  const own = attempt(() => readLink(AT_FDCWD, "/proc/self/exe")) ?? `/usr/sbin/${tool}`;
  const chrootsh = `${directoryOf(own)}/jk_chrootsh`;
  let stamp: string | undefined;
  let users: ReturnType<typeof usersByJail> = new Map();
  return (jail) => {
    const now = versionsOf(["/etc/passwd", "/etc/group"]);
    // Called under the lock of the jail: another tool may have changed the accounts while this one waited.
    if (now !== stamp) users = usersByJail(jailedUsers());
    stamp = now;
    return { chrootsh, shells: (users.get(jail) ?? []).map(({ shell }) => shell) };
  };
}

/** Updates jails one after the other. */
export class Updater implements Disposable {
  readonly #loader = createLoader({ dlopen: true });
  readonly #options: UpdaterOptions;
  readonly #context: UpdateContext;

  constructor(options: UpdaterOptions) {
    this.#options = options;
    const { tool, verbose } = options;
    const quiet = options.json || options.check;
    this.#context = {
      memory: new HostMemory(this.#loader),
      loader: this.#loader,
      reporter: new LineReporter(tool, { verbose, silent: quiet, quiet, lenient: !options.strict }),
      loginsOf: loginsOf(tool),
      full: new Set(),
    };
  }

  [Symbol.dispose](): void {
    this.#loader[Symbol.dispose]();
  }

  /** Updates a jail, or checks it. Throws nothing: what failed is in the result. */
  async update(request: UpdateOptions): Promise<UpdateResult> {
    const { jail, checkOnly, shellsOnly } = request;
    this.#context.memory.refresh();
    try {
      const outcome = await updateJail(request, this.#context);
      const warnings = outcome.emptied === true ? outcome.warnings : [];
      for (const warning of warnings) this.#context.reporter.warn(warning);
      // The reporter of a check is quiet.
      for (const { message } of checkOnly ? outcome.problems : [])
        this.#show(message.includes(display(jail)) ? message : `${display(jail)}: ${message}`);
      const work = hasWork(outcome);
      const { unrecorded = false } = outcome;
      // If only its shells were compared, a jail is not known to be up to date.
      if (shellsOnly && !work && outcome.kept.length === 0)
        return { jail, work, failures: [], report: undefined, unrecorded };
      const failures = this.#failures(outcome.problems);
      const noRoom = failures.includes(NO_ROOM);
      const report = this.#reportOf(outcome, request);
      return { jail, work, failures, noRoom, warnings, unrecorded, report };
    } catch (error) {
      if (request.everyJail && error instanceof JailkitError && error.code === "no-such-jail") {
        // It was there when this run began. Who deletes a jail with jailkit deletes its record, too.
        const isLost = mountRemedy(jail) !== undefined || answered(() => lostJail(jail)) !== undefined;
        return isLost ? this.missing(request) : this.#gone(request, "was deleted meanwhile");
      }
      return this.fail(request, problemAt(jail, error, "failed"));
    }
  }

  /** Prints the problem of a jail that could not be updated. */
  fail(request: UpdateOptions, problem: PopulateProblem): UpdateResult {
    this.showProblem(problem);
    const { jail } = request;
    const report = this.#reportOf(untouched(jail, { problems: [problem] }), request);
    const failures = this.#failures([problem]);
    return { jail, work: false, failures, noRoom: problem.code === NO_ROOM, report, problem };
  }

  /** Warns about a jail that is known, but missing. */
  missing(request: UpdateOptions): UpdateResult {
    const { jail: path } = request;
    const mount = mountRemedy(path);
    const exchanged = exchangedAt(path)?.message;
    const advice =
      exchanged ?? `'jailkit forget' drops its record; if it was moved: ${followRemedy(path, "NEW")}`;
    return this.#gone(request, `is missing: ${mount === undefined ? advice : unmountedReason(mount)}`);
  }

  #gone(request: UpdateOptions, message: string): UpdateResult {
    const { jail: path } = request;
    const warning = `${display(path)} ${message}`;
    this.#context.reporter.warn(warning);
    const report = this.#reportOf(untouched(path, { gone: true, warnings: [warning] }), request);
    return { jail: path, work: false, failures: [], report, warnings: [warning] };
  }

  /** Prints a problem that is about a whole jail, or about none. */
  showProblem(problem: PopulateProblem): void {
    const warning = isPassedOver(problem) && !this.#options.strict;
    this.#show(`${warning ? "warning: " : ""}${problem.message}`);
  }

  #failures(problems: readonly PopulateProblem[]): string[] {
    return [...new Set(countedProblems(problems, this.#options.strict).map(({ code }) => code))];
  }

  #reportOf(outcome: UpdateOutcome, { dryRun }: UpdateOptions): UpdatedJailReport | undefined {
    return this.#options.json ? jailReport(outcome, dryRun) : undefined;
  }

  #show(message: string): void {
    if (!this.#options.json) printError(`${this.#options.tool}: ${message}`);
  }
}
