import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { readLink } from "../../ffi/files.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import { printError } from "../cli/output.ts";
import { jailedUsers, usersByJail } from "../jail/accounts/jailed-users.ts";
import { createLoader } from "../libraries/closure.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { LineReporter, problemAt } from "../populate/reporter.ts";
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
}

/** What remains of the update of a jail; a run has thousands. */
export interface UpdateResult {
  readonly jail: ByteString;
  /** It is not up to date, or was not. */
  readonly work: boolean;
  readonly failed: boolean;
  /** With `json`; undefined for a jail of which nothing is said. */
  readonly report: UpdatedJailReport | undefined;
  /** It could not be updated at all. */
  readonly problem?: PopulateProblem;
  /** A file system was full; perhaps of files that other processes were preparing. */
  readonly noRoom?: boolean;
  /** Its directory is missing. */
  readonly warning?: string;
}

/** The login shells of the users of a jail, and the jk_chrootsh beside the running program. */
function loginsOf(tool: string): UpdateContext["loginsOf"] {
  // proc(5) may not be mounted.
  const own = attempt(() => readLink(AT_FDCWD, "/proc/self/exe")) ?? `/usr/sbin/${tool}`;
  const chrootsh = `${directoryOf(own)}/jk_chrootsh`;
  const users = usersByJail(jailedUsers());
  return (jail) => ({ chrootsh, shells: (users.get(jail) ?? []).map(({ shell }) => shell) });
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
      reporter: new LineReporter(tool, { verbose, silent: quiet, quiet }),
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
      // The reporter of a check is quiet.
      for (const { message } of checkOnly ? outcome.problems : [])
        this.#show(message.includes(display(jail)) ? message : `${display(jail)}: ${message}`);
      const work = hasWork(outcome);
      // If only its shells were compared, a jail is not known to be up to date.
      if (shellsOnly && !work && outcome.kept.length === 0)
        return { jail, work, failed: false, report: undefined };
      const failed = outcome.problems.length > 0;
      const noRoom = outcome.problems.some(({ code }) => code === NO_ROOM);
      return { jail, work, failed, noRoom, report: this.#reportOf(outcome, request) };
    } catch (error) {
      return this.fail(request, problemAt(jail, error, "failed"));
    }
  }

  /** Prints the problem of a jail that could not be updated. */
  fail(request: UpdateOptions, problem: PopulateProblem): UpdateResult {
    this.#show(problem.message);
    const { jail } = request;
    const report = this.#reportOf(untouched(jail, { problems: [problem] }), request);
    return { jail, work: false, failed: true, noRoom: problem.code === NO_ROOM, report, problem };
  }

  /** Warns about a jail that is known, but missing. */
  missing(request: UpdateOptions): UpdateResult {
    const { jail: path } = request;
    const warning = `${display(path)} is missing: 'jailkit delete' forgets it, or name the place it was moved to`;
    this.#context.reporter.warn(warning);
    const report = this.#reportOf(untouched(path, { gone: true, warnings: [warning] }), request);
    return { jail: path, work: false, failed: false, report, warning };
  }

  #reportOf(outcome: UpdateOutcome, { dryRun }: UpdateOptions): UpdatedJailReport | undefined {
    return this.#options.json ? jailReport(outcome, dryRun) : undefined;
  }

  #show(message: string): void {
    if (!this.#options.json) printError(`${this.#options.tool}: ${message}`);
  }
}
