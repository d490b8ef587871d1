import type { ByteString } from "../../ffi/bytes.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import { endsRun, noRoom } from "../jail/fs/no-room.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { concernsLibraries, renewLibraryCache } from "../populate/apply/library-cache.ts";
import type { Entry, PopulateProblem } from "../populate/entry.ts";
import { actionMessage, type LineReporter, problemAt } from "../populate/reporter.ts";
import type { Change, Removal } from "./plan/compare.ts";
import { changeLine, removalLine } from "./report.ts";

/** Called after each change and removal. */
export type ApplyEvents = ReturnType<typeof eventsFor>;

/** Collects and reports failures while one jail is updated. */
export class Failures {
  readonly problems: PopulateProblem[];
  unfinished = false;

  /** `before`: problems that were reported already. */
  constructor(
    private readonly jail: ByteString,
    before: readonly PopulateProblem[],
    private readonly reporter: LineReporter,
  ) {
    this.problems = [...before];
  }

  /** Reports a problem. A full or read-only disk is reported once. */
  add(problem: PopulateProblem): void {
    if (endsRun(problem) && this.problems.some(endsRun)) return;
    this.problems.push(problem);
    this.reporter.fail(problem);
  }

  /** Runs a step besides the files; a failure becomes a problem with that code. `progress`: how far the work is. */
  attempt(code: ProblemCode, progress: string, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.unfinished = true;
      const full = noRoom(error, this.jail, { left: [], progress });
      this.add(full ?? { ...problemAt(this.jail, error, code), code });
    }
  }
}

/** Reports changes and removals in a jail. */
export function eventsFor(root: JailRoot, reporter: LineReporter, failures: Failures) {
  return {
    changed(change: Change) {
      const { action, entry } = change;
      const line = changeLine(root.path, change, false);
      if (action !== "create") reporter.message({ text: line, detail: action === "attributes" });
      if (action === "attributes") return;
      const to = root.path + entry.path;
      reporter.message(actionMessage({ ...entry, action: "create" }, to, change.hardlink));
    },
    removed: (removal: Removal) => reporter.say(removalLine(root.path, removal, false)),
    failed: (problem: PopulateProblem) => failures.add(problem),
    progress: (done: number, total: number) => reporter.progress(done, total),
    /** All dependencies are in place, but no program yet: renew the library cache now. */
    librariesAreThere(done: readonly Entry[], progress: string) {
      if (concernsLibraries(done)) failures.attempt("library-cache", progress, () => renewLibraryCache(root));
    },
  };
}
