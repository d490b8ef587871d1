import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { readAt, statIfPresent } from "../../../ffi/files.ts";
import { landlockVersion } from "../../../ffi/landlock.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import { filtersOf } from "../../confine/confine.ts";
import { describeConfinement } from "../../confine/describe.ts";
import { viewExecution } from "../../confine/execute-view.ts";
import { featuresOf, missingOf, showMissing } from "../../confine/features.ts";
import type { Confinement } from "../../confine/policy.ts";
import { NOT_CONFINED } from "../../enter/confine-session.ts";
import { executedFiles } from "../../libraries/closure.ts";
import { RootView } from "../../libraries/root-view.ts";
import type { ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";

/** A session that would be confined, and the program that it starts, below `root`. */
interface Confined {
  stage: ReportStep["stage"];
  root: ByteString;
  rootFd: number;
  confinement: Confinement;
  /** Undefined if nothing is started. */
  program: ByteString | undefined;
  /** Where the settings are, for remedies. */
  settings: ByteString;
  /** The exit status if the program may not be executed; undefined if another step is about that. */
  notExecuted?: number;
}

// 128 and SIGSYS.
const KILLED = 159;
const ELF_CLASS_32 = 1;

// Is there if the kernel has filters of system calls.
const hasFilters = () => statIfPresent(AT_FDCWD, "/proc/sys/kernel/seccomp/actions_avail") !== undefined;

/** Whether a file is a 32-bit program. */
function isNarrow(root: ByteString, path: ByteString): boolean {
  using view = new RootView(root);
  const start = Buffer.alloc(5);
  const length = attempt(() => view.withFile(path, (fd) => readAt(fd, start, 0)));
  return length === 5 && start.toString("latin1", 0, 4) === "\x7fELF" && start[4] === ELF_CLASS_32;
}

/** Explains what the kernel would let a session do, and whether its program can run like that. */
export function confineSteps(confined: Confined): ReportStep[] {
  const { stage, root, rootFd, confinement, program, settings, notExecuted } = confined;
  const step = stepsOf(stage);
  // That it cannot be asked is for the step of the key execute.
  const landlock = attempt(landlockVersion) ?? 0;
  const filters = hasFilters();
  const missing = missingOf(featuresOf(confinement), landlock, filters).map(showMissing).join(", ");
  const text = describeConfinement(confinement, landlock, filters);
  if (missing !== "" && confinement.require) {
    const message = `the kernel cannot do all that confine = require asks for: ${missing}`;
    return [step("confine", "failed", message, `confine = 1 in ${settings}`, NOT_CONFINED)];
  }
  const steps = [step("confine", "passed", `the session: ${text}`)];
  if (missing !== "") steps.push(step("confine", "warned", `the kernel lacks: ${missing}`));
  if (program === undefined) return steps;
  const files = withRightsOf(undefined, () => [program, ...executedFiles(root, program)]);
  const narrow = filtersOf(confinement).some((name) => name !== "execute")
    ? files.find((path) => withRightsOf(undefined, () => isNarrow(root, path)))
    : undefined;
  if (narrow !== undefined) {
    const message = `${narrow} is a 32-bit program, which the filters of system calls kill`;
    const remedy = `confine = 0 in ${settings}, without syscalls, network, tcp_connect and tcp_bind`;
    steps.push(step("confine", "failed", message, remedy, KILLED));
  }
  const { execute } = confinement;
  if (execute === "any" || notExecuted === undefined || landlock === 0) return steps;
  const view = viewExecution(rootFd, execute);
  const blocked = files.find((path) => !view.mayExecute(path));
  if (blocked !== undefined) {
    const message = `${blocked} may not be executed: it is in none of ${view.directories.join(", ")}`;
    const unsafe = view.unsafeFor(blocked);
    const remedy =
      unsafe === undefined
        ? `put it where only root can write, or write execute = any in ${settings}`
        : `${unsafe.path} ${unsafe.because}`;
    steps.push(step("confine", "failed", message, remedy, notExecuted));
  }
  return steps;
}
