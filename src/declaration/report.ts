import { display, jsonText } from "../cli/display.ts";
import { interruption, statusAfterSignals } from "../cli/interrupt.ts";
import { BUSY } from "../cli/options.ts";
import { printError, printJsonLine, printLine } from "../cli/output.ts";
import { type Progress, startProgress } from "../cli/progress.ts";
import type { Place } from "../config/model.ts";
import type { UnreadFile } from "../config/unread.ts";
import { type DirectoryChange, directoryWarnings } from "../users/directory.ts";
import { type Ended, NOTHING_SAID, type Shown } from "./carry-out/report.ts";
import { type Change, causeOf, changeText, type Fault, type FaultText, nameOf, planLine } from "./change.ts";
import type { Comparison } from "./compare/compare.ts";
import { changesOf } from "./compare/work.ts";
import { type Foretold, faultsOf, foretell, makingOf, waitingText } from "./foretell.ts";
import { noLongerLines } from "./no-longer.ts";
import { ONCE_FILE } from "./once.ts";
import { Places, placeText } from "./place-of-fault.ts";
import { APPLY, printRemedy, showDirectories, showUnread, unreadReport } from "./report-failed.ts";
import { changeReport, directoryChanges, directoryOfUser, problemReports } from "./report-json.ts";
import { type LinesAt, otherwiseIn, printPlace, warningLines } from "./report-lines.ts";
import type { ApplySummary } from "./report-schema.ts";
import { type Doubt, Warnings } from "./warnings.ts";

const WORK_TO_DO = 10;
/** For what changes wait if what is declared cannot be kept. */
const UNKEPT = display(ONCE_FILE);

interface Options {
  readonly check: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly unread: readonly UnreadFile[];
  /** About no jail and no user; printable. */
  readonly warnings: readonly string[];
}

/** A fault, and where what it is due to is declared. */
type Problem = Fault & { readonly at: Place | undefined };

/** Shows a run, in lines or in JSON, and counts. */
export class ApplyReport implements Shown {
  readonly #states = new Map<string, "changed" | "failed">();
  readonly #problems: Problem[] = [];
  #count = 0;
  #hasWork = false;
  #undeclared: readonly string[] = [];
  #noLonger: readonly Change[] = [];
  /** The same of files that are gone. */
  #orphans: readonly string[] = [];
  readonly #warnings: string[] = [];
  /** What a change that is planned will say. */
  #later: ReadonlyMap<Change | undefined, readonly Doubt[]> = new Map();
  #directories: readonly DirectoryChange[] = [];
  readonly #places = new Places();
  /** Messages and remedies that were shown, each with what it is about. */
  readonly #shown = new Set<string>();
  /** Users who wait for a jail, by nameOf. */
  readonly #waiting = new Set<string>();
  /** The changes of each jail and user, by nameOf. */
  #changes: ReadonlyMap<string, readonly Change[]> = new Map();
  #total = 0;
  #ended = 0;
  #done = 0;
  /** The first change that was not made because something before it failed, or a signal came. */
  #left: Change | undefined;
  #progress: Progress | undefined;
  readonly #printed: Warnings;
  /** Something failed, for another reason than that another tool works on the jail. */
  #failed = false;
  /** What is to be done in a jail is not known, since another tool works on it. */
  #isBusy = false;
  #broken: FaultText | undefined;
  /** Changes of the run of which nothing is known yet. */
  readonly #pending = new Set<Change>();
  /** What is to be written at a place. */
  #lineAt: ReturnType<LinesAt> | undefined;

  constructor(private readonly options: Options) {
    this.#printed = new Warnings(options.verbose);
  }

  /** Shows the plan; with --check that is all. `unkept`: why what is declared cannot be kept. `linesAt`: for lines. */
  plan(comparison: Comparison, doubts: readonly Doubt[], unkept?: FaultText, linesAt?: LinesAt): void {
    const { check, json, unread } = this.options;
    const { jails, former, formerFaults, undeclared } = comparison;
    if (!json) showUnread(unread);
    this.#undeclared = undeclared;
    this.#noLonger = comparison.noLonger;
    this.#orphans = comparison.orphans;
    [...this.options.warnings, ...warningLines(comparison)].forEach(this.warn);
    this.#doubt(doubts.filter(({ change }) => change === undefined));
    this.#later = Map.groupBy(doubts, ({ change }) => change);
    // What a user has left in another jail is about that user, too.
    const counted = [...former.map(({ change }) => change), ...formerFaults].map(nameOf);
    this.#count = new Set([...counted, ...this.#places.add(jails)]).size;
    const users = jails.flatMap((jail) => jail.users);
    this.#directories = users.flatMap(directoryChanges);
    for (const one of this.#directories)
      for (const line of directoryWarnings(one)) this.#printWarning(`user ${display(one.name)}: ${line}`);
    if (unkept !== undefined) this.broken(unkept);
    const given = jails.flatMap(changesOf);
    this.#changes = Map.groupBy(given, nameOf);
    const making = makingOf(comparison, unkept);
    // What is known to fail is tried by a run, since it takes something away.
    const tried = new Set(users.flatMap((one) => (one.isTried ? one.changes : [])));
    this.#hasWork = [...making.keys()].some((change) => !tried.has(change));
    if (!json)
      for (const [change, how] of making) printLine(planLine(change) + (how === "part" ? ", in part" : ""));
    const faults = faultsOf(comparison);
    this.#lineAt = linesAt?.(faults.flatMap((fault) => this.#places.of(fault) ?? []));
    faults.forEach(this.fault);
    if (check) foretell(comparison, making, this.#broken && UNKEPT, this.#foretold);
    else this.#begin([...former.map(({ change }) => change), ...given]);
  }

  /** Warns of what users get. */
  #doubt(doubts: readonly Doubt[]): void {
    const lines = doubts.map(({ user, problem }) => {
      const about = nameOf({ of: "user", name: user });
      if (!this.options.json && this.#printed.add(about, problem.message)) printPlace(problem);
      return `${about}: ${problem.message} (declared in ${placeText(problem)})`;
    });
    this.#warnings.push(...lines);
  }

  /** Begins to count what is done. */
  #begin(changes: readonly Change[]): void {
    const total = changes.length;
    this.#total = total;
    for (const change of changes) this.#pending.add(change);
    this.#progress = startProgress(APPLY, "changes");
    if (total > 0) this.#progress.at(0, total);
  }

  /** Shows what would be done, or not, in the words of the run. */
  #foretold = (one: Foretold): void => {
    const { change, status } = one;
    this.#mark(change, status === "planned" ? "changed" : "failed");
    const doubts = this.#later.get(change) ?? [];
    const warnings = [...one.warnings, ...doubts.map(({ problem }) => problem.message)];
    if (status !== "planned") this.#show({ ...one, status });
    else if (this.options.json) printJsonLine(changeReport(change, { ...one, warnings }));
    else for (const line of warnings) this.#printed.add(nameOf(change), line);
  };

  /** Of a user who waits for a jail, its fault has said it. */
  #showNotDone(change: Change, waits: string | undefined): void {
    const about = nameOf(change);
    const why = waits === undefined ? "" : `; it waits for ${waits}`;
    if (!this.#waiting.has(about)) printError(`${APPLY}: ${about}: not done: ${change.what}${why}`);
  }

  ended = (ended: Ended): void => {
    const { change, status, errors } = ended;
    // What was a fault fails again where a part is made all the same, and a cause may stop several changes.
    const untold = errors.filter(({ message }) => this.#isNew(change, message));
    this.#pending.delete(change);
    if (status === "done") this.#done++;
    if (status === "not-done") this.#left ??= change;
    this.#show(ended, untold);
    this.#progress?.at(++this.#ended, this.#total);
    this.#mark(change, status === "done" ? "changed" : "failed");
    this.#failed ||= errors.some(({ code }) => code !== "busy");
    for (const failure of untold) {
      const whole = { ...change, ...failure };
      this.#problems.push({ ...whole, at: this.#places.of(whole) });
    }
  };

  /** True for the first of equal texts about a jail or user. */
  #isNew(about: Pick<Change, "of" | "name">, text: string): boolean {
    const before = this.#shown.size;
    return this.#shown.add(`${nameOf(about)}\0${text}`).size > before;
  }

  fault = (fault: Fault): void => {
    const { cause } = fault;
    this.#mark(fault, "failed");
    if ((cause ?? fault).code === "busy") this.#isBusy = true;
    else this.#failed = true;
    if (cause !== undefined) {
      this.#waiting.add(nameOf(fault));
      this.#tell(cause);
    }
    this.#tell(fault);
  };

  /** Shows a fault; that of a jail once, though each of its users waits for it. */
  #tell(fault: Fault): void {
    const { of, message, remedy = causeOf(message), cause } = fault;
    const isNew = this.#isNew(fault, remedy);
    if (of === "jail" && !isNew) return;
    this.#isNew(fault, message);
    const at = this.#places.of(fault);
    this.#problems.push({ ...fault, at });
    if (this.options.json) return;
    const about = nameOf(fault);
    const left = cause === undefined ? "" : waitingText(this.#changes.get(about) ?? []);
    printError(`${APPLY}: ${about}: ${message}${left === "" ? "" : `: ${left}`}`);
    if (cause !== undefined) return;
    printPlace(at);
    printRemedy({ ...fault, remedy: fault.remedy ?? (at && this.#lineAt?.(at)) });
  }

  /** Warns of what is about no single change. */
  warn = (line: string): void => {
    this.#warnings.push(line);
    this.#printWarning(line);
  };

  #printWarning(line: string): void {
    if (!this.options.json) printError(`${APPLY}: warning: ${line}`);
  }

  /** Tells, once, why what is declared cannot be kept: what is made counts. */
  broken = (problem: FaultText): void => {
    if (this.#broken !== undefined) return;
    this.#failed = true;
    this.#broken = problem;
    if (!this.options.json) printError(`${APPLY}: ${problem.message}`);
  };

  /** `untold`: its errors that were not told before. */
  #show(ended: Ended, untold = ended.errors): void {
    const { change, status, steps, warnings } = ended;
    if (this.options.json) {
      printJsonLine(changeReport(change, ended));
      return;
    }
    if (steps.length + (status === "done" ? 1 : 0) > 0)
      printLine(`${changeText(change)}: ${status === "done" ? "done" : "not complete"}`);
    for (const line of steps) printLine(`  ${line}`);
    // Some were printed with the plan.
    const isNew = (line: string) => !this.#warnings.includes(`${nameOf(change)}: ${line}`);
    for (const line of warnings) if (isNew(line)) this.#printed.add(nameOf(change), line);
    for (const { message } of untold) printError(`${APPLY}: ${nameOf(change)}: ${message}`);
    const [first] = untold;
    if (first !== undefined) printPlace(this.#places.of({ ...change, ...first }));
    untold.forEach(printRemedy);
    if (status === "not-done") this.#showNotDone(change, ended.waits);
  }

  /** Tells of the signal that came, if it left something undone. */
  #tellOfSignal(): void {
    const left = this.#left;
    const stop = left && interruption(`${this.#done} of ${this.#total} changes are made; run this again`);
    if (left === undefined || stop === undefined) return;
    const { code, message } = stop;
    this.#problems.push({ ...left, code, message, at: this.#places.of({ of: left.of, name: left.name }) });
    if (!this.options.json) printError(`${APPLY}: ${stop.message}`);
  }

  /** Where what has failed is declared. */
  places = (): Place[] => this.#problems.flatMap(({ at }) => at ?? []);

  /** Shows the end, and returns the exit status. `findingAt`: what is wrong at a place of a declaration. */
  end(findingAt?: Parameters<typeof problemReports>[2]): number {
    const { check, json, verbose, unread } = this.options;
    for (const change of this.#pending)
      this.ended({ ...NOTHING_SAID, change, status: "not-done", waits: this.#broken && UNKEPT });
    this.#progress?.clear();
    if (!json) this.#printed.end();
    this.#tellOfSignal();
    const states = [...this.#states.values()];
    const changed = states.filter((state) => state === "changed").length;
    const [failed, unchanged] = [states.length - changed, Math.max(0, this.#count - states.length)];
    const failure = this.#failed ? 1 : failed === 0 ? 0 : BUSY;
    const planned = this.#isBusy ? BUSY : this.#hasWork ? WORK_TO_DO : failure;
    // Who cannot be in the jail is not sent there.
    const directories = this.#directories.filter(
      ({ name }) => this.#states.get(nameOf({ of: "user", name })) !== "failed",
    );
    const exitStatus = statusAfterSignals<0 | 1 | 10 | typeof BUSY>(check ? planned : failure);
    if (json) {
      printJsonLine({
        ...{ version: 1, tool: APPLY, check, changed, failed, unchanged },
        undeclared: this.#undeclared.map(jsonText),
        noLongerDeclared: [...this.#noLonger.map(changeText), ...this.#orphans].map(jsonText),
        unread: unread.map(unreadReport),
        warnings: this.#warnings.map(jsonText),
        directories: directories.map(directoryOfUser),
        problems: problemReports(this.#problems, this.#broken, findingAt),
        exitStatus,
      } satisfies ApplySummary);
      return exitStatus;
    }
    if (verbose) for (const line of this.#undeclared) printLine(`not declared: ${line}`);
    showDirectories(directories);
    noLongerLines(this.#noLonger).forEach(printLine);
    const did = `${changed} ${check ? "to change" : "changed"}, ${failed} failed, ${unchanged} as declared`;
    printLine(did + otherwiseIn(directories.length));
    return exitStatus;
  }

  /** A failure counts, whatever else was done. */
  #mark(about: Pick<Change, "of" | "name">, state: "changed" | "failed"): void {
    const key = nameOf(about);
    if (this.#states.get(key) !== "failed") this.#states.set(key, state);
  }
}
