import type { ByteString } from "../../ffi/bytes.ts";
import type { Usage } from "../../ffi/extents.ts";
import { holdingSignals } from "../../ffi/interrupts.ts";
import { jsonText, quoted } from "../cli/display.ts";
import { describeError, isReported, JailkitError, problemFrom } from "../cli/error.ts";
import { stopIfInterrupted } from "../cli/interrupt.ts";
import { printError, printLine } from "../cli/output.ts";
import { startProgress } from "../cli/progress.ts";
import { jsonTextOrNull } from "../cli/report.ts";
import { type Failure, noRoom } from "../jail/fs/no-room.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { type Advice, OPTIONS } from "./advice.ts";
import {
  type DirectoryChange,
  DirectoryError,
  directoryLines,
  directoryReport,
  directoryWarnings,
} from "./directory.ts";
import type { JailedUserReport } from "./report-schema.ts";

/** Shows the steps of a change, a printable line each. */
interface AccountOutput {
  readonly step: (line: ByteString) => void;
  readonly warning: (line: ByteString) => void;
  readonly error: (line: ByteString) => void;
  /** Lines to copy, such as commands. */
  readonly advice: (lines: readonly ByteString[]) => void;
  /** How much of a home is copied. */
  readonly progress: (done: number, total: number) => void;
  /** Throws JailkitError "output" if a line could not be printed; the others do not, since they would stop a change. */
  readonly end: () => void;
}

const SILENT: AccountOutput = {
  step() {},
  warning() {},
  error() {},
  advice() {},
  progress() {},
  end() {},
};

/** Prints warnings and errors of a tool, with `steps` also its steps, and with `advice` lines to copy. */
export function printedOutput(tool: string, steps: boolean, advice = false): AccountOutput {
  const progress = startProgress(`${tool}: copying the home`, "files");
  let failure: unknown;
  const attempted = (print: () => void) => {
    try {
      print();
    } catch (error) {
      failure ??= error;
    }
  };
  return {
    step: (line) => attempted(() => steps && printLine(line)),
    warning: (line) => attempted(() => printError(`${tool}: warning: ${line}`)),
    error: (line) => attempted(() => printError(`${tool}: ${line}`)),
    advice: (lines) => attempted(() => advice && lines.forEach(printLine)),
    progress: progress.at,
    end() {
      if (failure !== undefined) throw failure;
    },
  };
}

/** A run of a tool on one account: shown as it happens, and kept for --json. */
export class AccountRun {
  status: JailedUserReport["status"] = "failed";
  /** The home and shell of the account afterwards. */
  home: ByteString | undefined;
  shell: ByteString | undefined;
  /** The shell of its line in the jail afterwards. */
  jailShell: ByteString | undefined;
  /** The directory that becomes the home. */
  moveFrom: ByteString | undefined;
  /** A home that was moved: where it was and is, as the account had and has it, in normal form; and which directory it was. */
  moved: { readonly from: ByteString; readonly to: ByteString; readonly was: Usage | undefined } | undefined;
  /** Why it failed; `remedy`: the command in the message, if one command is the remedy. */
  failure: Pick<Failure, "code" | "message" | "remedy"> | undefined;
  exitStatus: number | undefined;
  /** Something is not as requested, which jailkit 2 passed over; there is a warning about it. */
  differs = false;
  /** What to do instead, for an account of a directory. */
  directory: DirectoryChange | undefined;
  readonly steps: ByteString[] = [];
  readonly warnings: ByteString[] = [];

  constructor(
    readonly name: ByteString,
    readonly output: AccountOutput = SILENT,
    readonly advice: Advice = OPTIONS,
  ) {}

  done(line: ByteString): void {
    this.steps.push(line);
    this.output.step(line);
  }

  warn(line: ByteString): void {
    this.warnings.push(line);
    this.output.warning(line);
  }

  /** Ends the run before anything was changed. */
  refuse(error: unknown): void {
    this.status = "refused";
    if (error instanceof JailkitError) this.exitStatus = error.exitStatus;
    this.#fail(problemFrom(error, "failed", ""));
    if (!(error instanceof DirectoryError)) return;
    this.directory = error.instead;
    for (const line of directoryWarnings(error.instead)) this.warn(line);
    this.output.advice(directoryLines(error.instead));
  }

  /** Changes the account. `jail`: where there may be no room. True if a signal has stopped it. */
  change(apply: () => void, jail: ByteString): boolean {
    try {
      holdingSignals(() => {
        stopIfInterrupted(`${quoted(this.name)} is as it was; run this again`);
        apply();
      });
      return false;
    } catch (error) {
      this.status = "failed";
      const full = noRoom(error, jail, { left: [], progress: `not all is done for ${quoted(this.name)}` });
      this.#fail(full ?? problemFrom(error, "failed", ""));
      return error instanceof JailkitError && error.code === "interrupted";
    }
  }

  /** Looks at an account that has been changed already: an error is a warning, and stops nothing. */
  examine(look: () => void): void {
    try {
      look();
    } catch (error) {
      if (!isReported(error)) throw error;
      this.warn(`the login could not be examined: ${describeError(error)}`);
    }
  }

  #fail(failure: NonNullable<AccountRun["failure"]>): void {
    this.failure = failure;
    this.output.error(failure.message);
  }

  toReport(): JailedUserReport {
    return {
      user: jsonText(this.name),
      status: this.status,
      home: jsonTextOrNull(this.home),
      shell: jsonTextOrNull(this.shell),
      steps: this.steps.map(jsonText),
      warnings: this.warnings.map(jsonText),
      error: jsonTextOrNull(this.failure?.message),
      directory: this.directory === undefined ? null : directoryReport(this.directory),
    };
  }
}

/** A planned change of an account. */
export interface PlannedChange {
  readonly run: AccountRun;
  /** Undefined if the host has no such account. */
  readonly user: PasswdEntry | undefined;
  /** Undefined if it was refused; `run` has the reason. */
  readonly apply: (() => void) | undefined;
}

/**
 * Makes planned changes: none if one of them was refused, and no more after a signal. `jailOf` names the jail of an
 * account. Calls `after` for each changed account.
 */
export function makeChanges(
  changes: readonly PlannedChange[],
  jailOf: (user: PasswdEntry | undefined) => ByteString,
  after: (user: PasswdEntry, run: AccountRun) => void,
): void {
  // An account that does not exist does not stop the others.
  let stopped = changes.some(({ user, apply }) => user !== undefined && apply === undefined);
  for (const { run, user, apply } of changes) {
    if (apply === undefined) continue;
    if (stopped) {
      run.status = "not-done";
      continue;
    }
    stopped = run.change(apply, jailOf(user));
    if (user !== undefined && run.failure === undefined) run.examine(() => after(user, run));
  }
}
