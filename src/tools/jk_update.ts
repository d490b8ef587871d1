import type { ByteString } from "../../ffi/bytes.ts";
import { receivedSignal } from "../../ffi/interrupts.ts";
import { display, jsonText, quoted } from "../cli/display.ts";
import { JailkitError, UsageError } from "../cli/error.ts";
import { interruption, statusAfterSignals } from "../cli/interrupt.ts";
import { jailOrFirst } from "../cli/jail-operand.ts";
import {
  DRY_RUN,
  HARDLINK,
  JOBS,
  JSON_LINES_OUTPUT,
  jailOption,
  type OptionTable,
  type OptionValues,
  SYNC,
  VERBOSE,
  WORKER,
} from "../cli/options.ts";
import { printError, printJsonLine, printLine } from "../cli/output.ts";
import { type Progress, startProgress } from "../cli/progress.ts";
import { problemReport } from "../cli/report.ts";
import { startTool } from "../cli/start.ts";
import { defineTool, type ToolOutput } from "../cli/tool.ts";
import { type KeyValues, readKeys } from "../config/keys.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import { problemLine } from "../config/model.ts";
import { problemError } from "../config/place.ts";
import { updateKeys } from "../config/schemas/update.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { absolutePath } from "../populate/file-system.ts";
import { LineReporter } from "../populate/reporter.ts";
import { printedResult, processesFor, readJobs, runJobs, serveJobs } from "../system/jobs.ts";
import { type JailsToUpdate, type JailToUpdate, jailsToUpdate } from "../update/jails.ts";
import type { UpdateReport, UpdateSummary } from "../update/report-schema.ts";
import type { UpdateOptions } from "../update/update.ts";
import { type UpdateResult, Updater, type UpdaterOptions } from "../update/updater.ts";

const NAME = "jk_update";
const CONFIG = `${CONFIG_DIRECTORY}/jk_update.ini`;
const WORK_TO_DO = 10;

/** The sections of jk_update.ini by their names. */
type Settings = Map<ByteString, KeyValues<typeof updateKeys>>;

function readSettings(reporter: LineReporter): Settings {
  const found: Settings = new Map();
  const ini = loadConfig(CONFIG, { dialect: "py" });
  for (const section of ini?.sections ?? []) {
    const { problems, ...values } = readKeys(section, updateKeys);
    for (const problem of problems) {
      if (problem.severity === "error") throw problemError(problem, 1, ini);
      reporter.warn(problemLine(problem, display(problem.file)));
    }
    found.set(section.name, values);
  }
  return found;
}

const OPTIONS = {
  jail: jailOption("the jail to bring up to date"),
  configsection: {
    short: "c",
    value: "SECTION",
    description: "the jail of that section of jk_update.ini",
  },
  all: { short: "a", description: "all known jails, with the settings of jk_update.ini" },
  // -d is from jailkit 2.
  dryRun: { ...DRY_RUN, also: ["d"] },
  check: {
    description: "change nothing; exit with 10 if a jail is not up to date; with --all, print these jails",
  },
  skip: {
    short: "s",
    // Empty skips nothing: in scripts it may be an unset variable.
    mayBeEmpty: true,
    value: "PATH",
    repeat: true,
    description: "do not change PATH or anything below it; may be repeated",
  },
  hardlink: HARDLINK,
  prune: {
    description:
      "also remove files that the host lacks, even if they were created in the jail or belong to users",
  },
  sync: SYNC,
  jobs: JOBS,
  json: JSON_LINES_OUTPUT,
  verbose: VERBOSE,
  worker: WORKER,
} as const satisfies OptionTable;

type Options = OptionValues<typeof OPTIONS>;

/** The named jail, if one is named, and the directories. Throws UsageError unless one of a jail, -c and --all is given. */
function readOperands(options: Options, operands: readonly ByteString[]) {
  const { jail, configsection, all } = options;
  if (jail !== undefined && configsection !== undefined)
    throw new UsageError("cannot specify both a jail and a configsection", 21);
  if (all && (jail ?? configsection) !== undefined)
    throw new UsageError("give --all, a jail or a section, not two of them");
  if (all || configsection !== undefined) return { named: undefined, directories: operands };
  const { jail: named, rest } = jailOrFirst(jail, operands);
  if (named === undefined) throw new UsageError("need a jail, a section or --all");
  return { named, directories: rest };
}

/** The updates of one run of the tool. */
class UpdateRun {
  readonly results: UpdateResult[] = [];
  readonly problems: PopulateProblem[] = [];
  readonly #options: Options;
  readonly #directories: readonly ByteString[];
  readonly #settings: ReadonlyMap<ByteString, KeyValues<typeof updateKeys>>;
  readonly #updaterOptions: UpdaterOptions;
  #done = 0;
  /** Jails for which there may be room when the others are done. */
  readonly #again: UpdateOptions[] = [];

  constructor(options: Options, directories: readonly ByteString[], settings: Settings) {
    this.#options = options;
    this.#directories = directories;
    const named = [...settings].filter(([name]) => name.startsWith("/"));
    // The first section of a jail counts.
    this.#settings = new Map(named.toReversed().map(([name, values]) => [absolutePath(name), values]));
    const { verbose, json, check } = options;
    this.#updaterOptions = { tool: NAME, verbose, json: json !== false, check };
  }

  async updateAll({ jails, missing }: JailsToUpdate): Promise<void> {
    const { jobs, all } = this.#options;
    using updater = new Updater(this.#updaterOptions);
    for (const path of missing) this.#add(updater.missing(this.#requestFor({ path, shellsOnly: false })));
    const requests = jails.map((jail) => this.#requestFor(jail));
    const progress = startProgress(NAME);
    const ended = (result: UpdateResult | undefined) => {
      if (result !== undefined) this.#add(result);
      progress.at(++this.#done, requests.length);
    };
    const processes = all ? processesFor(requests.length, readJobs(jobs)) : 1;
    const elsewhere =
      processes > 1 && (await this.#inProcesses(processes, requests, updater, progress, ended));
    await this.#here(elsewhere ? this.#again : requests, updater, progress, ended);
    // Those that were done again came last.
    const order = new Map([...missing, ...requests.map(({ jail }) => jail)].map((path, at) => [path, at]));
    this.results.sort((a, b) => (order.get(a.jail) ?? 0) - (order.get(b.jail) ?? 0));
    progress.clear();
    const how = `${this.#done} of ${requests.length} jails are done`;
    const stop = this.#done < requests.length ? interruption(how) : undefined;
    const next = requests[this.#done];
    if (stop === undefined || next === undefined) return;
    const problem = { code: stop.code, path: next.jail, message: `${stop.message}; run this again` };
    this.problems.push(problem);
    if (this.#options.json === false) printError(`${NAME}: ${problem.message}`);
  }

  /** The report, or the jails that are not up to date. */
  output(): ToolOutput {
    const { results, problems } = this;
    const { check, all, dryRun, json } = this.#options;
    const failed = problems.length > 0 || results.some((result) => result.failed);
    const pending = check && results.some(({ work }) => work);
    // A jail that failed has an error message of its own.
    const exitStatus = statusAfterSignals<0 | 1 | 10>(pending ? WORK_TO_DO : failed ? 1 : 0);
    const report = (): UpdateReport | UpdateSummary =>
      ({
        ...{ version: 1, tool: NAME, dryRun: dryRun || check },
        jails: json === "lines" ? this.#done : results.flatMap((result) => result.report ?? []),
        warnings: results.flatMap(({ warning }) => (warning === undefined ? [] : jsonText(warning))),
        problems: problems.map(problemReport),
        exitStatus,
      }) as UpdateReport | UpdateSummary;
    return {
      exitStatus,
      report,
      print() {
        for (const { jail } of all && check ? results.filter(({ work }) => work) : [])
          printLine(`${display(jail)}: there is something to do`);
      },
    };
  }

  async #here(
    requests: readonly UpdateOptions[],
    updater: Updater,
    progress: Progress,
    ended: (result: UpdateResult) => void,
  ): Promise<void> {
    for (const request of requests) {
      if (receivedSignal() !== undefined) return;
      progress.clear();
      ended(await updater.update(request));
    }
  }

  #inProcesses(
    processes: number,
    requests: readonly UpdateOptions[],
    updater: Updater,
    progress: Progress,
    ended: (result: UpdateResult | undefined) => void,
  ): Promise<boolean> {
    return runJobs<UpdaterOptions, UpdateOptions, UpdateResult>({
      ...{ tool: NAME, jobs: requests, processes, ordered: this.#options.json !== "lines" },
      setup: () => this.#updaterOptions,
      ended: (end, index) => {
        const request = requests[index];
        progress.clear();
        const lost = (reason: string) => {
          const path = request?.jail ?? "";
          const message = `${display(path)}: the update is not complete: ${reason}; run this again`;
          return request && updater.fail(request, { code: "lost", path, message });
        };
        if (end.kind === "lost") ended(lost(end.reason));
        else if (end.result.noRoom === true && request !== undefined) this.#again.push(request);
        else ended(printedResult(end));
      },
    });
  }

  #add(result: UpdateResult): void {
    const { problem, report, ...rest } = result;
    if (problem !== undefined) this.problems.push(problem);
    const lines = this.#options.json === "lines";
    if (lines && report !== undefined) printJsonLine({ version: 1, tool: NAME, jail: report });
    this.results.push(lines ? { ...rest, report: undefined } : { ...rest, report });
  }

  #requestFor({ path: jail, shellsOnly }: JailToUpdate): UpdateOptions {
    const { skip, prune, sync, hardlink, dryRun, check } = this.#options;
    const own = this.#settings.get(jail);
    return {
      ...{ jail, prune, sync, shellsOnly },
      directories: [...this.#directories, ...(own?.directories ?? [])],
      skips: [...skip.filter((path) => path !== ""), ...(own?.skips ?? [])],
      hardlink: hardlink || own?.hardlinks === true || own?.hardlink === true,
      dryRun: dryRun || check,
      checkOnly: check,
    };
  }
}

/** Does updates for another process of this tool; see runJobs. */
const serveUpdates = () =>
  serveJobs<UpdaterOptions, UpdateOptions, UpdateResult>((options) => {
    const updater = new Updater(options);
    return (request) => updater.update(request);
  });

/** jk_update(8): updates jails from the host. */
export const tool = defineTool({
  name: NAME,
  summary: "bring a jail up to date with the files of the host",
  synopsis: [
    "[OPTION...] -j JAIL [DIRECTORY...]",
    "[OPTION...] JAIL [DIRECTORY...]",
    "[OPTION...] -c SECTION [DIRECTORY...]",
    "[OPTION...] --all",
  ],
  options: OPTIONS,
  exitStatus: {
    0: "there was nothing to do, or everything was done",
    1: "something failed, or the options are wrong",
    10: "there is something to do (with --check; even if another jail failed)",
    21: "both a jail and a section were named",
  },
  notes: `If the jail has a record, which jk_init and jk_cp keep, everything that was ever requested is planned again: new files of the host are added, and files that no request needs any longer are removed, if they are unchanged. 'jailkit adopt' creates a record for a jail that has none.

jk_lsh, the file of the limited shell, is removed from a jail if it is that of jailkit 2, or a copy of ours that nobody requested by name (with jk_cp or jk_init --copy-shell): jk_chrootsh has it built in. It is recognized by its content. Any other program of that name stays and is reported, and so does one that a login may need, or that --skip names. With --all this also applies to jails that are known only from the homes of accounts; nothing else in them is changed.

Without a record, each file in the directories (/bin, /sbin, /lib*, /usr and /opt unless others are named) is compared with the file of the host of that name. If it differs, it is replaced, together with what it needs. If it was copied and the host no longer has it, it is removed.

Files that were made in the jail or belong to users are not changed, nor are files below /etc that were changed in the jail.`,
  root: 5,
  async run({ options, operands }) {
    if (options.worker) return serveUpdates();
    const { named, directories } = readOperands(options, operands);
    const silent = options.json !== false || options.check;
    const reporter = new LineReporter(NAME, { verbose: options.verbose, silent, quiet: silent });
    const settings: Settings = named === undefined ? readSettings(reporter) : new Map();
    const section = options.configsection;
    if (section !== undefined && !settings.has(section))
      throw new JailkitError("no-section", 1, `${CONFIG} does not have a section called ${quoted(section)}`);
    const list = options.all
      ? jailsToUpdate([...settings.keys()].filter((name) => name.startsWith("/")).map(absolutePath))
      : { jails: [{ path: absolutePath(named ?? section ?? ""), shellsOnly: false }], missing: [] };
    const run = new UpdateRun(options, directories, settings);
    await run.updateAll(list);
    return run.output();
  },
});

if (import.meta.main) await startTool(tool);
