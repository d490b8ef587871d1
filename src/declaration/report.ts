import type { ByteString } from "../../ffi/bytes.ts";
import type { SystemError } from "../../ffi/error.ts";
import { display, jsonText } from "../cli/display.ts";
import type { JailkitError } from "../cli/error.ts";
import { interruption, statusAfterSignals } from "../cli/interrupt.ts";
import { BUSY } from "../cli/options.ts";
import { printError, printJsonLine, printLine } from "../cli/output.ts";
import { type Progress, startProgress } from "../cli/progress.ts";
import { jsonTextOrNull, problemReport } from "../cli/report.ts";
import type { Place } from "../config/model.ts";
import type { UnreadFile } from "../config/unread.ts";
import {
  type DirectoryChange,
  directoryLines,
  directoryReport,
  directoryWarnings,
  withFile,
} from "../users/directory.ts";
import type { Ended, Shown } from "./carry-out/report.ts";
import {
  type Change,
  changeText,
  type Fault,
  type FaultText,
  faultText,
  nameOf,
  planLine,
} from "./change.ts";
import { type Comparison, changesOf } from "./compare/compare.ts";
import { APPLY, showUnread, unreadReport } from "./report-failed.ts";
import type { ApplyChange, ApplySummary } from "./report-schema.ts";
import { Warnings } from "./warnings.ts";

const WORK_TO_DO = 10;

interface Options {
  readonly check: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly unread: readonly UnreadFile[];
  /** About no jail and no user; printable. */
  readonly warnings: readonly string[];
}

type Text = string | undefined;

const changeReport = (
  change: Change,
  ended: Omit<Ended, "change" | "status"> & { status: Ended["status"] | "planned" },
) =>
  ({
    version: 1,
    tool: APPLY,
    change: {
      ...{ action: change.action, of: change.of, name: jsonText(change.name), jail: jsonText(change.jail) },
      ...{ what: change.what, from: textOf(change.from), to: textOf(change.to), why: jsonText(change.why) },
      ...{ items: change.items.map(jsonText), text: jsonText(planLine(change)), status: ended.status },
      steps: ended.steps.map(jsonText),
      warnings: ended.warnings.map(jsonText),
      errors: ended.errors.map(({ message }) => jsonText(message)),
    },
  }) satisfies ApplyChange;

const printNotDone = (change: Change) => printError(`${APPLY}: ${nameOf(change)}: not done: ${change.what}`);

const textOf = (text: Text) => (text === undefined ? null : jsonText(text));

/** Shows a run, in lines or in JSON, and counts. */
export class ApplyReport implements Shown {
  readonly #states = new Map<string, "changed" | "failed">();
  readonly #problems: Fault[] = [];
  #count = 0;
  #hasWork = false;
  #undeclared: readonly string[] = [];
  #noLonger: readonly string[] = [];
  /** The same of files that are gone. */
  #orphans: readonly string[] = [];
  #warnings: readonly string[] = [];
  #directories: readonly DirectoryChange[] = [];
  /** Where jails and users are declared, by nameOf. */
  readonly #places = new Map<string, Place>();
  /** Of the changes of the run. */
  #total = 0;
  #ended = 0;
  #done = 0;
  /** The first change that was not made because something before it failed, or a signal came. */
  #left: Change | undefined;
  #progress: Progress | undefined;
  readonly #printed: Warnings;
  /** Something failed, for another reason than that another tool works on the jail. */
  #failed = false;
  #broken: FaultText | undefined;

  constructor(private readonly options: Options) {
    this.#printed = new Warnings(options.verbose);
  }

  /** Shows the plan; with --check that is all. */
  plan(comparison: Comparison): void {
    const { check, json, unread } = this.options;
    const { jails, former, formerFaults, undeclared } = comparison;
    if (!json) showUnread(unread);
    this.#undeclared = undeclared;
    this.#noLonger = comparison.noLonger.map(changeText);
    this.#orphans = comparison.orphans;
    const about = comparison.warnings.map((one) => `${nameOf(one)}: ${one.message}`);
    this.#warnings = [...this.options.warnings, ...about];
    if (!json) for (const line of this.#warnings) printError(`${APPLY}: warning: ${line}`);
    // What a user has left in another jail is about that user, too.
    const counted = [...former.map(({ change }) => change), ...formerFaults].map(nameOf);
    const declaredAt = (of: "jail" | "user", { name, place }: { name: ByteString; place: Place }) => {
      const key = nameOf({ of, name });
      counted.push(key);
      this.#places.set(key, place);
    };
    for (const { declared, path: name, users, fault } of jails) {
      // A jail that no section declares is as good as declared, unless it cannot be used: then that is due to its users.
      const place = declared?.place ?? (fault && users[0]?.declared.place);
      if (place !== undefined) declaredAt("jail", { name, place });
      for (const user of users) declaredAt("user", user.declared);
    }
    this.#count = new Set(counted).size;
    const users = jails.flatMap((jail) => jail.users);
    this.#directories = users.flatMap(({ declared, directory }) =>
      directory === undefined
        ? []
        : withFile({ name: declared.name, change: directory, before: [], after: [], leaves: false }),
    );
    if (!json)
      for (const change of this.#directories)
        for (const line of directoryWarnings(change))
          printError(`${APPLY}: warning: user ${display(change.name)}: ${line}`);
    // Where a jail cannot be used, nothing is done in it.
    const usable = jails.filter((jail) => jail.fault === undefined);
    const changes = [...former.map(({ change }) => change), ...usable.flatMap(changesOf)];
    this.#hasWork = changes.length > 0;
    if (!json) for (const change of changes) printLine(planLine(change));
    if (check) this.#showPlanned(comparison);
    else this.#begin([...former, ...jails.flatMap(changesOf)].length);
  }

  /** Begins to count what is done. */
  #begin(total: number): void {
    this.#total = total;
    this.#progress = startProgress(APPLY, "changes");
    if (total > 0) this.#progress.at(0, total);
  }

  /** Shows what would be done, and what would not, in the words of the run. */
  #showPlanned({ jails, former, formerFaults }: Comparison): void {
    formerFaults.forEach(this.fault);
    for (const { change } of former) this.#showChange(change, "planned");
    for (const jail of jails) {
      for (const one of [jail.fault, ...jail.users.map((user) => user.fault)])
        if (one !== undefined) this.fault(one);
      const status = jail.fault === undefined ? "planned" : "not-done";
      for (const change of changesOf(jail)) this.#showChange(change, status);
    }
  }

  #showChange(change: Change, status: "planned" | "not-done"): void {
    this.#mark(change, status === "planned" ? "changed" : "failed");
    const shown = { status, steps: [], warnings: [], errors: [] };
    if (this.options.json) printJsonLine(changeReport(change, shown));
    else if (status === "not-done") printNotDone(change);
  }

  ended = (ended: Ended): void => {
    const { change, status, errors } = ended;
    if (status === "done") this.#done++;
    if (status === "not-done") this.#left ??= change;
    this.#show(ended);
    this.#progress?.at(++this.#ended, this.#total);
    this.#mark(change, status === "done" ? "changed" : "failed");
    this.#failed ||= status === "failed";
    for (const { message, remedy } of errors)
      this.#problems.push({ ...change, code: "failed", message, remedy });
  };

  fault = (fault: Fault): void => {
    this.#mark(fault, "failed");
    this.#failed ||= fault.code !== "busy";
    this.#problems.push(fault);
    if (this.options.json) return;
    printError(`${APPLY}: ${nameOf(fault)}: ${fault.message}`);
    this.#printPlace(fault);
  };

  /** Tells of what ended the whole run: what was made before counts. */
  broken(error: JailkitError | SystemError): void {
    this.#failed = true;
    this.#broken = faultText(error);
    if (!this.options.json) printError(`${APPLY}: ${this.#broken.message}`);
  }

  /** A line below an error, with the place of what it is about. */
  #printPlace(about: Pick<Fault, "of" | "name">): void {
    const place = this.#places.get(nameOf(about));
    if (place !== undefined) printError(`  declared in ${display(place.file)}:${place.line}:${place.column}`);
  }

  #show(ended: Ended): void {
    const { change, status, steps, warnings, errors } = ended;
    if (this.options.json) {
      printJsonLine(changeReport(change, ended));
      return;
    }
    if (status !== "not-done" && steps.length + (status === "done" ? 1 : 0) > 0)
      printLine(`${changeText(change)}: ${status === "done" ? "done" : "not complete"}`);
    for (const line of steps) printLine(`  ${line}`);
    for (const line of warnings) this.#printed.add(nameOf(change), line);
    for (const { message } of errors) printError(`${APPLY}: ${nameOf(change)}: ${message}`);
    if (errors.length > 0) this.#printPlace(change);
    if (status === "not-done") printNotDone(change);
  }

  /** Tells of the signal that came, if it left something undone. */
  #tellOfSignal(): void {
    const left = this.#left;
    const stop = left && interruption(`${this.#done} of ${this.#total} changes are made; run this again`);
    if (left === undefined || stop === undefined) return;
    this.#problems.push({ ...left, code: stop.code, message: stop.message });
    if (!this.options.json) printError(`${APPLY}: ${stop.message}`);
  }

  /** Shows the end, and returns the exit status. */
  end(): number {
    const { check, json, verbose, unread } = this.options;
    this.#progress?.clear();
    this.#tellOfSignal();
    const states = [...this.#states.values()];
    const changed = states.filter((state) => state === "changed").length;
    const failed = states.length - changed;
    const unchanged = Math.max(0, this.#count - states.length);
    const failure = this.#failed ? 1 : failed === 0 ? 0 : BUSY;
    const exitStatus = statusAfterSignals<0 | 1 | 10 | typeof BUSY>(
      check && this.#hasWork ? WORK_TO_DO : failure,
    );
    if (json) {
      printJsonLine({
        ...{ version: 1, tool: APPLY, check, changed, failed, unchanged },
        undeclared: this.#undeclared.map(jsonText),
        noLongerDeclared: [...this.#noLonger, ...this.#orphans].map(jsonText),
        unread: unread.map(unreadReport),
        warnings: this.#warnings.map(jsonText),
        directories: this.#directories.map((change) => ({
          user: jsonText(change.name),
          attributes: directoryReport(change),
        })),
        problems: [
          ...this.#problems.map((fault) => this.#problemOf(fault)),
          ...(this.#broken === undefined ? [] : [applyProblem(this.#broken, APPLY, undefined)]),
        ],
        exitStatus,
      } satisfies ApplySummary);
      return exitStatus;
    }
    this.#printed.end();
    if (verbose) for (const line of this.#undeclared) printLine(`not declared: ${line}`);
    for (const change of this.#directories) {
      printLine(`# The directory of user ${display(change.name)}:`);
      directoryLines(change).forEach(printLine);
      // It ends a record of LDIF.
      printLine("");
    }
    this.#printNoLonger();
    const would = check ? "to change" : "changed";
    printLine(`${changed} ${would}, ${failed} failed, ${unchanged} as declared`);
    return exitStatus;
  }

  /** A key that is taken out of a file still lets somebody in. */
  #printNoLonger(): void {
    const [first, ...more] = this.#noLonger;
    if (first === undefined) return;
    const others = more.length === 0 ? "" : ` and ${more.length} more`;
    printLine(`no longer declared, and still there: ${first}${others}; --prune removes this`);
  }

  #problemOf(fault: Fault) {
    const about = nameOf(fault);
    const message = `${about}: ${fault.message}`;
    return applyProblem({ ...fault, message }, fault.name, this.#places.get(about));
  }

  /** A failure counts, whatever else was done. */
  #mark(about: Pick<Change, "of" | "name">, state: "changed" | "failed"): void {
    const key = nameOf(about);
    if (this.#states.get(key) !== "failed") this.#states.set(key, state);
  }
}

const applyProblem = ({ code, message, remedy }: FaultText, path: ByteString, place: Place | undefined) => ({
  ...problemReport({ code, path, message, remedy }),
  file: jsonTextOrNull(place?.file),
  line: place?.line ?? null,
  column: place?.column ?? null,
  // What cannot be as declared is no mistake in a file.
  finding: null,
});
