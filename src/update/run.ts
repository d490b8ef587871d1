import type { ByteString } from "../../ffi/bytes.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { receivedSignal } from "../../ffi/interrupts.ts";
import { display, jsonText } from "../cli/display.ts";
import { problemFrom } from "../cli/error.ts";
import { interruption, statusAfterSignals } from "../cli/interrupt.ts";
import { BUSY } from "../cli/options.ts";
import { printError, printJsonLine, printLine } from "../cli/output.ts";
import { startProgress } from "../cli/progress.ts";
import { problemReport } from "../cli/report.ts";
import { shellWord } from "../cli/shell-word.ts";
import type { ToolOutput } from "../cli/tool.ts";
import type { KeyValues } from "../config/keys.ts";
import type { updateKeys } from "../config/schemas/update.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { countedProblems } from "../populate/passed-over.ts";
import { printedResult, processesFor, readJobs, runJobs, serveJobs } from "../system/jobs.ts";
import type { JailsToUpdate, JailToUpdate } from "./jails.ts";
import type { UpdateReport, UpdateSummary } from "./report-schema.ts";
import type { UpdateOptions } from "./update.ts";
import { type UpdateResult, Updater, type UpdaterOptions } from "./updater.ts";

const TOOL = "jk_update";
const WORK_TO_DO = 10;

/** The options of jk_update(8). */
interface RunOptions extends Pick<UpdateOptions, "hardlink" | "prune" | "dryRun" | "sync" | "noWait"> {
  readonly all: boolean;
  readonly check: boolean;
  readonly skip: readonly ByteString[];
  readonly jobs: string | undefined;
  readonly json: boolean | "lines";
  readonly strict: boolean;
  readonly verbose: boolean;
}

/** The updates of one run of the tool. */
export class UpdateRun {
  readonly results: UpdateResult[] = [];
  readonly problems: PopulateProblem[] = [];
  readonly #options: RunOptions;
  readonly #directories: readonly ByteString[];
  readonly #settings: ReadonlyMap<ByteString, KeyValues<typeof updateKeys>>;
  readonly #updaterOptions: UpdaterOptions;
  #done = 0;
  /** Jails for which there may be room when the others are done. */
  readonly #again: UpdateOptions[] = [];

  constructor(
    options: RunOptions,
    directories: readonly ByteString[],
    settings: ReadonlyMap<ByteString, KeyValues<typeof updateKeys>>,
  ) {
    this.#options = options;
    this.#directories = directories;
    const named = [...settings].filter(([name]) => name.startsWith("/"));
    // The first section of a jail counts.
    this.#settings = new Map(named.toReversed().map(([name, values]) => [absolutePath(name), values]));
    const { verbose, json, check } = options;
    this.#updaterOptions = { tool: TOOL, verbose, json: json !== false, check, strict: isStrict(options) };
  }

  async updateAll({ jails, missing, damaged }: JailsToUpdate): Promise<void> {
    const { jobs, all } = this.#options;
    using updater = new Updater(this.#updaterOptions);
    for (const path of missing) this.#add(updater.missing(this.#requestFor({ path, shellsOnly: false })));
    for (const { error } of damaged) {
      const problem = problemFrom(error, error.code, error.file);
      this.problems.push(problem);
      updater.showProblem(problem);
    }
    const requests = jails.map((jail) => this.#requestFor(jail));
    const progress = startProgress(TOOL, "jails");
    const ended = (result: UpdateResult | undefined) => {
      if (result !== undefined) this.#add(result);
      progress.at(++this.#done, requests.length);
    };
    const processes = all ? processesFor(requests.length, readJobs(jobs)) : 0;
    if (processes > 0) progress.at(0, requests.length);
    const elsewhere = processes > 0 && (await this.#inProcesses(processes, requests, updater, ended));
    await this.#here(elsewhere ? this.#again : requests, updater, ended);
    // Those that were done again came last.
    const order = new Map([...missing, ...requests.map(({ jail }) => jail)].map((path, at) => [path, at]));
    this.results.sort((a, b) => (order.get(a.jail) ?? 0) - (order.get(b.jail) ?? 0));
    progress.clear();
    const how = `${this.#done} of ${requests.length} jails are done`;
    const stop = this.#done < requests.length ? interruption(how) : undefined;
    // With --json=lines they end in any order.
    const done = new Set(this.results.map(({ jail }) => jail));
    const next = requests.find(({ jail }) => !done.has(jail));
    if (stop === undefined || next === undefined) return;
    const problem = { code: stop.code, path: next.jail, message: `${stop.message}; run this again` };
    this.problems.push(problem);
    if (this.#options.json === false) printError(`${TOOL}: ${problem.message}`);
  }

  /** The report, or the jails that are not up to date. */
  output(): ToolOutput {
    const { results, problems } = this;
    const { check, all, dryRun, json } = this.#options;
    const counted = countedProblems(problems, isStrict(this.#options)).map(({ code }) => code);
    const failures = [...counted, ...results.flatMap((result) => result.failures)];
    const failure = failures.every((code) => code === "busy") ? BUSY : 1;
    const pending = check && results.some(({ work }) => work);
    // A jail that failed has an error message of its own.
    const status = pending ? WORK_TO_DO : failures.length > 0 ? failure : 0;
    const exitStatus = statusAfterSignals<0 | 1 | 10 | typeof BUSY>(status);
    const unrecorded = unrecordedWarning(
      results.flatMap((one) => (one.unrecorded === true ? [one.jail] : [])),
    );
    const report = (): UpdateReport | UpdateSummary =>
      ({
        ...{ version: 1, tool: TOOL, dryRun: dryRun || check },
        jails: json === "lines" ? this.#done : results.flatMap((result) => result.report ?? []),
        warnings: [...results.flatMap(({ warnings = [] }) => warnings), ...unrecorded].map(jsonText),
        problems: problems.map(problemReport),
        exitStatus,
      }) as UpdateReport | UpdateSummary;
    return {
      exitStatus,
      report,
      print() {
        for (const { jail } of all && check ? results.filter(({ work }) => work) : [])
          printLine(`${display(jail)}: there is something to do`);
        for (const warning of unrecorded) printError(`${TOOL}: warning: ${warning}`);
      },
    };
  }

  async #here(
    requests: readonly UpdateOptions[],
    updater: Updater,
    ended: (result: UpdateResult) => void,
  ): Promise<void> {
    for (const request of requests) {
      if (receivedSignal() !== undefined) return;
      ended(await updater.update(request));
    }
  }

  #inProcesses(
    processes: number,
    requests: readonly UpdateOptions[],
    updater: Updater,
    ended: (result: UpdateResult | undefined) => void,
  ): Promise<boolean> {
    return runJobs<UpdaterOptions, UpdateOptions, UpdateResult>({
      ...{ tool: TOOL, jobs: requests, processes, ordered: this.#options.json !== "lines" },
      notices: this.#options.json === false,
      setup: () => this.#updaterOptions,
      ended: (end, index) => {
        const request = requests[index];
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
    if (lines && report !== undefined) printJsonLine({ version: 1, tool: TOOL, jail: report });
    this.results.push(lines ? { ...rest, report: undefined } : { ...rest, report });
  }

  #requestFor({ path: jail, shellsOnly }: JailToUpdate): UpdateOptions {
    const { skip, prune, sync, hardlink, dryRun, check, noWait, json, all } = this.#options;
    const own = this.#settings.get(jail);
    return {
      ...{ jail, prune, sync, shellsOnly, noWait, json: json !== false, everyJail: all },
      directories: [...this.#directories, ...(own?.directories ?? [])],
      skips: [...skip.filter((path) => path !== ""), ...(own?.skips ?? [])],
      hardlink: hardlink || own?.hardlinks === true || own?.hardlink === true,
      dryRun: dryRun || check,
      checkOnly: check,
    };
  }
}

/** A warning that some jails are not updated. */
function unrecordedWarning([first, ...others]: readonly ByteString[]): string[] {
  if (first === undefined) return [];
  const [which, have, them] =
    others.length === 0 ? ["", "has", "it"] : [` and ${others.length} more`, "have", "them"];
  const remedy = others.length === 0 ? `jailkit adopt ${shellWord(first)}` : "jailkit adopt --all";
  return [
    `${display(first)}${which} ${have} no record of the contents, so that this does not update ${them}: run ${remedy}`,
  ];
}

/** Does updates for another process of this tool; see runJobs. */
export const serveUpdates = () =>
  serveJobs<UpdaterOptions, UpdateOptions, UpdateResult>((options) => {
    const updater = new Updater(options);
    return (request) => updater.update(request);
  });

/** False if every option is one of jailkit 2. */
const isStrict = ({ strict, json, all, check }: RunOptions): boolean =>
  strict || json !== false || all || check;
