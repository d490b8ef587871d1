import type { ByteString } from "../../../ffi/bytes.ts";
import { environment } from "../../../ffi/guard.ts";
import { capabilities } from "../../../ffi/process.ts";
import { MAY_EXECUTE, mayAccess, withRightsOf } from "../../../ffi/rights.ts";
import { describeError, JailkitError } from "../../cli/error.ts";
import { inWords } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { NOT_CONFINED } from "../../enter/confine-session.ts";
import { capabilityNames } from "../../enter/launch/capabilities.ts";
import { type Launch, type LaunchRequest, launchChecks } from "../../enter/launch/checks.ts";
import { launchConfinement, warnOfLaunch } from "../../enter/launch/launch.ts";
import { copyRemedy } from "../../enter/remedies.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { hostPath } from "../../jail/fs/walk.ts";
import type { Missing } from "../../libraries/dependency.ts";
import { passwdByUid } from "../../system/accounts.ts";
import { commandAt } from "../../system/exchange.ts";
import { librarySteps } from "../libraries.ts";
import { emptyReport, judgeReport, type LoginReport, type ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";
import { closedSteps } from "./closed-places.ts";
import { confinedProgramSteps } from "./confined-program.ts";
import { confinementSteps } from "./confinement.ts";
import { noexecSteps } from "./noexec.ts";
import { stoppedSteps } from "./stopped.ts";

const TOOL = "jk_chrootlaunch";
const EXEC_FAILED = 31;

/** A call of jk_chrootlaunch, and its caller. */
interface LaunchQuestion {
  request: LaunchRequest;
  callerUid: number;
}

const step = stepsOf(TOOL);

/** Adds the checks of a launch up to the first that fails, since each depends on those before it. */
function addLaunchChecks(request: LaunchRequest, steps: ReportStep[]): Launch | undefined {
  const checks = launchChecks(request);
  let name = "";
  try {
    for (let next = checks.next(); ; next = checks.next()) {
      if (name !== "") steps.push(step(name, "passed", `nothing is wrong with the ${name}`));
      if (next.done) return next.value;
      name = next.value;
    }
  } catch (error) {
    const exitStatus = error instanceof JailkitError ? error.exitStatus : 1;
    steps.push(step(name, "failed", describeError(error), "", exitStatus));
    return undefined;
  }
}

/** Checks that jk_chrootlaunch does not make: the rights of the caller, and whether the program can be executed. */
function startSteps({ root, program, ids, kept }: Launch, callerUid: number): ReportStep[] {
  const steps: ReportStep[] = [];
  if (callerUid !== 0)
    steps.push(
      step("root", "failed", "jk_chrootlaunch must be run by root", inWords("start it as root"), 35),
    );
  const lost = kept === undefined ? [] : capabilityNames(kept & ~capabilities().permitted);
  if (lost.length > 0) {
    const message = `${lost.join(", ")} cannot be kept: this process does not have it`;
    steps.push(step("capabilities", "failed", message, inWords("start it where root has it"), 39));
  }
  const path = lookUp(root, program, { follow: true })?.canonicalPath ?? program;
  if (!withRightsOf(ids, () => mayAccess(root.fd, path.replace(/^\/+/, ""), MAY_EXECUTE))) {
    const place = hostPath(root, path);
    const command = commandAt(place, `chmod a+x ${shellWord(place)}`);
    const also = "it must pass the directories above, too, none of them mounted noexec";
    const message = `uid ${ids.uid} cannot execute ${program}; ${also}`;
    steps.push(step("exec", "failed", message, command, EXEC_FAILED));
  }
  const ending = ({ copy, exitStatus, atExec }: Missing) => ({
    advice: copyRemedy(root.path, ...copy),
    exitStatus: atExec ? EXEC_FAILED : exitStatus,
  });
  return [...steps, ...librarySteps(TOOL, root.path, program, ending)];
}

/** A line of a section as an option. */
function optionOf(line: ByteString): ByteString {
  const at = line.indexOf(" = ");
  return shellWord(`--${line.slice(0, at).replaceAll("_", "-")}=${line.slice(at + 3)}`);
}

/** What the options let the program do, and whether it cannot run under that. */
function confinedSteps(request: LaunchRequest, launch: Launch): ReportStep[] {
  const { root, program, ids } = launch;
  const confinement = launchConfinement(request, launch);
  const asked = {
    weaker: inWords("write --confine=1 in place of --confine=require"),
    exitStatus: NOT_CONFINED,
  };
  const path = program.startsWith("/") ? program : `/${program}`;
  const { home = "" } = ids;
  const session = { stage: TOOL, root: root.path, rootFd: root.fd, confinement, home } as const;
  return [
    ...confinementSteps(TOOL, confinement, asked),
    ...confinedProgramSteps({
      ...{ stage: TOOL, root: root.path, rootFd: root.fd, confinement, notExecuted: EXEC_FAILED },
      ...{ program: path, settings: "the options" },
    }),
    ...noexecSteps(session),
    ...withRightsOf(ids, () => closedSteps(session, ids.uid)),
    ...stoppedSteps({
      ...{ ...session, directory: "/" },
      program: { path, args: request.programArguments },
      adviceFor: (lines) => inWords(`give it ${lines.map(optionOf).join(" ")}`),
    }),
  ];
}

/** Explains a call of jk_chrootlaunch. */
export function explainLaunch({ request, callerUid }: LaunchQuestion): LoginReport {
  const steps: ReportStep[] = [];
  const launch = addLaunchChecks(request, steps);
  const uid = launch?.ids.uid;
  const name = request.user ?? (uid === undefined ? undefined : passwdByUid(uid)?.name) ?? "root";
  const report: LoginReport = { ...emptyReport(name, TOOL), uid, steps };
  if (launch !== undefined) {
    const { root, program } = launch;
    report.jail = root.path;
    warnOfLaunch(request, launch, (severity, message) => {
      if (severity === "warning") steps.push(step("warning", "warned", message));
    });
    steps.push(...confinedSteps(request, launch), ...startSteps(launch, callerUid));
    const argv = [program, ...request.programArguments];
    report.command = { path: program, argv, environment: environment() };
  }
  judgeReport(report);
  return report;
}
