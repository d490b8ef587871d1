import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { describeError } from "../cli/error.ts";
import { noRoom, saysNoRoom } from "../jail/fs/no-room.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { concernsLibraries, renewLibraryCache } from "../populate/apply/library-cache.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { actionMessage } from "../populate/messages.ts";
import type { Reporter } from "../populate/reporter.ts";
import type { ApplyEvents } from "./apply/apply.ts";
import { changeLine, removalLine } from "./report.ts";

/** What fails while one jail is brought up to date. */
export interface Failures {
  readonly problems: readonly PopulateProblem[];
  /** A step besides the files has failed. */
  readonly unfinished: boolean;
  /** Tells a problem; that there is no room, or nothing can be written, only once. */
  failed(problem: PopulateProblem | undefined): void;
  /** Does a step besides the files; what fails becomes a problem of that code. `progress`: how far the work is. */
  attempt(code: string, progress: string, act: () => void): void;
}

/** Gathers what fails in a jail, beside the problems that are known (and told) already. */
export function gatherFailures(
  jail: ByteString,
  known: readonly PopulateProblem[],
  reporter: Reporter,
): Failures {
  const problems = [...known];
  let unfinished = false;
  const failed = (problem: PopulateProblem | undefined) => {
    if (problem === undefined) return;
    if (saysNoRoom(problem) && problems.some(saysNoRoom)) return;
    problems.push(problem);
    reporter.fail(problem.message);
  };
  return {
    problems,
    get unfinished() {
      return unfinished;
    },
    failed,
    attempt(code, progress, act) {
      try {
        act();
      } catch (error) {
        unfinished = true;
        const message = `${display(jail)}: ${describeError(error)}`;
        failed(noRoom(error, jail, { left: [], progress }) ?? { code, path: jail, message });
      }
    },
  };
}

/** Tells what is done in a jail meanwhile. */
export function eventsFor(root: JailRoot, reporter: Reporter, { failed, attempt }: Failures): ApplyEvents {
  return {
    changing(change) {
      const { action, entry } = change;
      const to = root.path + entry.path;
      if (action === "attributes") reporter.tell(changeLine(root.path, change, false));
      else if (action !== "create") reporter.say(changeLine(root.path, change, false));
      if (action === "attributes") return;
      const { text, detail } = actionMessage({ ...entry, action: "create" }, to, change.hardlink);
      if (detail) reporter.tell(text);
      else reporter.say(text);
    },
    removing: (removal) => reporter.say(removalLine(root.path, removal, false)),
    failed,
    at: reporter.at,
    librariesAreThere(done, progress) {
      if (concernsLibraries(done)) attempt("library-cache", progress, () => renewLibraryCache(root));
    },
  };
}
