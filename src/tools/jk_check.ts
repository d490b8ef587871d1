import type { ByteString } from "../../ffi/bytes.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { receivedSignal } from "../../ffi/interrupts.ts";
import {
  type CheckedJail,
  type CheckJob,
  type CheckOptions,
  type CheckPlan,
  type CheckStatus,
  hostStatus,
  JailChecker,
  notChecked,
  planCheck,
  statusOf,
  worse,
} from "../check/check.ts";
import { serveComparisons } from "../check/content/threads.ts";
import { hostReport, jailReport } from "../check/report/json.ts";
import { freePaths } from "../check/report/remedies.ts";
import type { CheckedJailReport, CheckReport, CheckSummary } from "../check/report/report-schema.ts";
import { type SarifPart, sarifLog, sarifPart } from "../check/report/sarif.ts";
import { hostLines, jailLines, type Lines } from "../check/report/text.ts";
import { COLOR, coloured, paintFor, plain } from "../cli/colour.ts";
import { display } from "../cli/display.ts";
import { UsageError } from "../cli/error.ts";
import { excerptLines } from "../cli/excerpt.ts";
import { interruption, statusAfterSignals } from "../cli/interrupt.ts";
import { BUSY_STATUS, JOBS, JSON_LINES_OUTPUT, jailsOption, NO_WAIT, WORKER } from "../cli/options.ts";
import { print, printError, printJson, printJsonLine } from "../cli/output.ts";
import { startProgress } from "../cli/progress.ts";
import { startTool } from "../cli/start.ts";
import { defineTool } from "../cli/tool.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import { keptAt } from "../declaration/kept-at.ts";
import { countDeclaredHomes } from "../declaration/known-homes.ts";
import { meantHere } from "../declaration/meant-of-lacking.ts";
import { printedResult, processesFor, readJobs, runJobs, serveJobs } from "../system/jobs.ts";

const NAME = "jk_check";
const CONFIG_FILE = `${CONFIG_DIRECTORY}/jk_check.ini`;

/** How a process checks jails, and what it says about them. */
interface Setup extends CheckOptions {
  readonly format: "lines" | "json" | "sarif";
  readonly verbose: boolean;
  readonly colours: boolean;
  /** The number of the process, from 1 on, and how many there are. */
  readonly number: number;
  readonly processes: number;
}

/** What remains of the check of a jail; a run has thousands. */
interface CheckEnd {
  readonly status: CheckStatus;
  readonly report?: CheckedJailReport | undefined;
  readonly part?: SarifPart | undefined;
}

function show({ out, err }: Lines): void {
  if (out.length > 0) print(out.map((line) => `${line}\n`).join(""));
  for (const { message, place } of err) {
    printError(`${NAME}: ${message}`);
    if (place !== undefined) for (const line of excerptLines(place)) printError(line);
  }
}

function endOf(jail: CheckedJail, { format, colours }: Setup): CheckEnd {
  if (format === "lines") show(jailLines(jail, colours ? coloured : plain));
  return {
    status: statusOf(jail),
    report: format === "json" ? jailReport(jail) : undefined,
    part: format === "sarif" ? sarifPart(jail) : undefined,
  };
}

/** A function that checks a jail and prints the result. */
function checks(setup: Setup): (job: CheckJob) => Promise<CheckEnd> {
  const tell = setup.verbose && setup.format === "lines";
  const verbose = tell ? (line: ByteString) => print(`${display(line)}\n`) : () => undefined;
  const names = freePaths(setup.number, setup.processes);
  const checker = new JailChecker(setup, verbose, meantHere(), keptAt(), names);
  return async (job) => endOf(await checker.check(job), setup);
}

/** Checks jails for another process of this tool; see runJobs. */
const serveChecks = () => serveJobs<Setup, CheckJob, CheckEnd>(checks);

/** The checks of one run of the tool. */
class CheckRun {
  readonly #setup: Setup;
  readonly #plan: CheckPlan;
  readonly #asLines: boolean;
  readonly #reports: CheckedJailReport[] = [];
  readonly parts: SarifPart[] = [];
  status: CheckStatus;
  #done = 0;

  constructor(setup: Setup, plan: CheckPlan, asLines: boolean) {
    this.#setup = setup;
    this.#plan = plan;
    this.#asLines = asLines;
    this.status = hostStatus(plan.host);
  }

  async checkAll(processes: number): Promise<void> {
    const progress = startProgress(NAME, "jails");
    const { jobs } = this.#plan;
    const ended = (end: CheckEnd) => {
      this.#add(end);
      progress.at(++this.#done, jobs.length);
    };
    if (processes > 0) progress.at(0, jobs.length);
    const inProcesses =
      processes > 0 &&
      (await runJobs<Setup, CheckJob, CheckEnd>({
        ...{ tool: NAME, jobs, processes, ordered: !this.#asLines },
        notices: this.#setup.format !== "json",
        setup: (worker) => ({ ...this.#setup, number: worker + 1, processes }),
        ended: (end, index) => {
          const lost = (reason: string) =>
            endOf(notChecked(jobs[index]?.path ?? "", reason, { code: "lost" }), this.#setup);
          ended(end.kind === "lost" ? lost(end.reason) : printedResult(end));
        },
      }));
    const check = inProcesses ? undefined : checks(this.#setup);
    for (const job of check === undefined ? [] : jobs) {
      if (receivedSignal() !== undefined) break;
      if (check !== undefined) ended(await check(job));
    }
    progress.clear();
    const how = `${this.#done} of ${jobs.length} jails are checked`;
    const stop = this.#done < jobs.length ? interruption(how) : undefined;
    if (stop !== undefined) printError(`${NAME}: ${stop.message}; run this again`);
  }

  report(exitStatus: CheckReport["exitStatus"]): CheckReport | CheckSummary {
    const head = { version: 1, tool: NAME, host: hostReport(this.#plan.host) } as const;
    if (this.#asLines) return { ...head, jails: this.#done, exitStatus };
    return { ...head, jails: this.#reports, exitStatus };
  }

  #add({ status, report, part }: CheckEnd): void {
    this.status = worse(this.status, status);
    if (part !== undefined) this.parts.push(part);
    if (report === undefined) return;
    if (this.#asLines) printJsonLine({ version: 1, tool: NAME, jail: report });
    else this.#reports.push(report);
  }
}

/** jk_check(8): reports what is wrong with jails, and fixes what can be fixed safely. */
export const tool = defineTool({
  name: NAME,
  summary: "check the integrity and the safety of jails",
  synopsis: ["[OPTION...] [JAIL...]"],
  options: {
    jail: jailsOption("check this jail only, as if it were an operand; may be repeated"),
    configfile: {
      short: "c",
      value: "FILE",
      description: "the file with the exceptions, instead of /etc/jailkit/jk_check.ini",
    },
    full: { description: "read every file, including those that an earlier check found unchanged" },
    fix: { description: "fix problems that are safe to fix, and print each change" },
    noWait: NO_WAIT,
    run: { description: "run a test of each section in the jail, as an ordinary user" },
    confinement: {
      description:
        "also report accounts for which the kernel could do more of what confine = 1 asks for, and what is missing",
    },
    jobs: JOBS,
    json: JSON_LINES_OUTPUT,
    sarif: { description: "print a SARIF 2.1.0 log instead of lines" },
    color: COLOR,
    verbose: { short: "v", description: "show what is being tested" },
    worker: WORKER,
  },
  exitStatus: {
    0: "no findings",
    1: "there are findings, on standard output",
    2: "something could not be checked (see standard error), or the options are wrong",
    ...BUSY_STATUS,
  },
  badOptionStatus: 2,
  notes:
    "Without an operand it checks all known jails: those of jk_check.ini, those of users of /etc/passwd, and those with a record.",
  async run({ options, operands }) {
    countDeclaredHomes();
    if (options.worker) return serveChecks();
    const { json, sarif } = options;
    if (json !== false && sarif) throw new UsageError("give --json or --sarif, not both", 2);
    const jobs = readJobs(options.jobs, 2);
    const asked = [...options.jail, ...operands].map((jail: ByteString) => absolutePath(jail));
    const paint = paintFor(options.color, 2);
    const setup: Setup = {
      configFile: options.configfile ?? CONFIG_FILE,
      ...{ full: options.full, fix: options.fix, run: options.run, verbose: options.verbose },
      confinement: options.confinement,
      ...{ noWait: options.noWait, json: json !== false || sarif },
      format: sarif ? "sarif" : json !== false ? "json" : "lines",
      colours: paint === coloured,
      ...{ number: 1, processes: 1 },
    };
    const plan = planCheck(setup, asked, meantHere());
    const lines = setup.format === "lines";
    if (lines) show(hostLines(plan.host, paint));
    const run = new CheckRun(setup, plan, json === "lines");
    await run.checkAll(processesFor(plan.jobs.length, jobs));
    const exitStatus = statusAfterSignals(run.status);
    if (sarif) printJson(sarifLog([sarifPart(plan.host), ...run.parts], exitStatus));
    return { exitStatus, report: () => run.report(exitStatus) };
  },
});

// A thread that compares files runs the same executable.
if (import.meta.main && Bun.isMainThread) await startTool(tool);
else if (!Bun.isMainThread) serveComparisons();
