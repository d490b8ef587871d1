import type { ByteString } from "../../../ffi/bytes.ts";
import { attempt } from "../../../ffi/error.ts";
import { close, readAt } from "../../../ffi/files.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import { SESSION_FILTERS } from "../../../ffi/seccomp.ts";
import { inWords } from "../../cli/remedy.ts";
import { filtersOf } from "../../confine/confine.ts";
import { isOfSystem } from "../../confine/directories.ts";
import { canLimitExecution } from "../../confine/execute.ts";
import { viewExecution } from "../../confine/execute-view.ts";
import { openFixed, openNamed } from "../../confine/named-file.ts";
import type { Confinement } from "../../confine/policy.ts";
import { isIn } from "../../known-programs/allow/places.ts";
import { executedFiles } from "../../libraries/closure.ts";
import { RootView } from "../../libraries/root-view.ts";
import type { ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";
import { NOT_EXECUTABLE } from "./execute.ts";

/** A session that would be confined, and the program that it starts, below `root`. */
interface Confined {
  stage: ReportStep["stage"];
  root: ByteString;
  rootFd: number;
  confinement: Confinement;
  /** Undefined if nothing is started. */
  program: ByteString | undefined;
  /** Where the settings are, for advice. */
  settings: ByteString;
  /** The exit status if the program may not be executed; undefined if another step is about that. */
  notExecuted?: number;
}

// 128 and SIGSYS.
const KILLED = 159;
const ELF_CLASS_32 = 1;

/** Whether a file is a 32-bit program. */
function isNarrow(root: ByteString, path: ByteString): boolean {
  using view = new RootView(root);
  const start = Buffer.alloc(5);
  const length = attempt(() => view.withFile(path, (fd) => readAt(fd, start, 0)));
  return length === 5 && start.toString("latin1", 0, 4) === "\x7fELF" && start[4] === ELF_CLASS_32;
}

/** Why execve(2) may not read a program; undefined if it may. */
function unreadable(
  { stage, root, rootFd, confinement }: Confined,
  program: ByteString,
): ByteString | undefined {
  const { read, write } = confinement;
  if (read === "all" || isIn(program, read) || (write !== "all" && isIn(program, write))) return undefined;
  // Its caller names the program: it gets no rule of its own.
  if (stage === "jk_uchroot") return isOfSystem(program) ? undefined : "it is in no path of read or write";
  const open = write === "all" ? openFixed : openNamed;
  const opened = withRightsOf(undefined, () => open(rootFd, program, root));
  if (typeof opened !== "number") return opened;
  close(opened);
  return undefined;
}

/** Explains that the program of a confined session cannot run, if it cannot. */
export function confinedProgramSteps(confined: Confined): ReportStep[] {
  const { stage, root, rootFd, confinement, program, settings, notExecuted } = confined;
  const step = stepsOf(stage);
  const steps: ReportStep[] = [];
  if (program === undefined) return steps;
  const files = withRightsOf(undefined, () => [program, ...executedFiles(root, program)]);
  const narrow =
    (filtersOf(confinement) & ~SESSION_FILTERS.execute) !== 0
      ? files.find((path) => withRightsOf(undefined, () => isNarrow(root, path)))
      : undefined;
  if (narrow !== undefined) {
    const message = `${narrow} is a 32-bit program, which the filters of system calls kill`;
    const words = `write confine = 0 in ${settings}, without syscalls, network, tcp_connect and tcp_bind`;
    steps.push(step("confinement", "failed", message, inWords(words), KILLED));
  }
  const canLimit = attempt(canLimitExecution) === true;
  const why = canLimit ? unreadable(confined, program) : undefined;
  if (why !== undefined) {
    const message = `${program} may not be read, which execve(2) does: ${why}`;
    const words = `put it where only root can write, or in a path of read in ${settings}`;
    steps.push(step("confinement", "failed", message, inWords(words), notExecuted ?? NOT_EXECUTABLE));
  }
  const { execute } = confinement;
  if (execute === "any" || notExecuted === undefined || !canLimit) return steps;
  const view = viewExecution(rootFd, execute);
  const blocked = files.find((path) => !view.mayExecute(path));
  if (blocked !== undefined) {
    const message = `${blocked} may not be executed: it is in none of ${view.directories.join(", ")}`;
    const unsafe = view.unsafeFor(blocked);
    const words =
      unsafe === undefined
        ? `put it where only root can write, or write execute = any in ${settings}`
        : `${unsafe.path} ${unsafe.because}`;
    steps.push(step("confinement", "failed", message, inWords(words), notExecuted));
  }
  return steps;
}
