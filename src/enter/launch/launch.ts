import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, O_RDWR } from "../../../ffi/constants.ts";
import { isErrno, SystemError } from "../../../ffi/error.ts";
import { fstat, openAt, sameFile, statAt } from "../../../ffi/files.ts";
import { environment, execve, variable } from "../../../ffi/guard.ts";
import {
  announcePid,
  executeDaemon,
  type PidWriter,
  startPidWriter,
  withdrawPid,
} from "../../../ffi/launch.ts";
import { chdir, chroot, fchdir, setNoNewPrivileges } from "../../../ffi/process.ts";
import { stopNotices } from "../../../ffi/waiting.ts";
import { display } from "../../cli/display.ts";
import { describeError, isReported, JailkitError } from "../../cli/error.ts";
import { tryPrintError } from "../../cli/output.ts";
import type { ProblemCode } from "../../cli/problem-codes.ts";
import { NO_FILTERS, refuseTerminalInput } from "../../confine/calls.ts";
import { looseFile } from "../../confine/handed-files.ts";
import { type Confinement, confinementOf, executeOf } from "../../confine/policy.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { openSyslog, type Severity, type Syslog } from "../../system/syslog.ts";
import { confineSession, limitRefusal } from "../confine-session.ts";
import { escapes } from "./capabilities.ts";
import { type Launch, type LaunchRequest, launchChecks } from "./checks.ts";
import { takeIds } from "./ids.ts";
import { bindNotifySocket, notifyObstacle, notifyWay } from "./notify.ts";
import { openPidfile } from "./pidfile.ts";

const TOOL = "jk_chrootlaunch";

/** Writes a line to the log and to standard error. */
type Notify = (severity: Severity, message: ByteString) => void;

/** Warns of what the caller may do, and lets the program leave its jail. */
export function warnOfLaunch(
  request: LaunchRequest,
  { root, program, ids, kept }: Launch,
  notify: Notify,
): void {
  if (ids.uid === 0) {
    const what = `${display(program)} runs as root in jail ${display(root.path)}, and root can leave a jail`;
    notify("warning", `${what}; name another user with -u, unless the program changes to one itself`);
  }
  const dangerous = escapes(kept ?? 0n);
  if (dangerous.length > 0) notify("warning", `with ${dangerous.join(", ")} a program can leave its jail`);
  if (request.notify) warnOfSilence(launchConfinement(request, { program, ids }), notify);
}

/** Warns if no message to the service manager can leave the program. */
function warnOfSilence(confinement: Confinement, notify: Notify): void {
  const socket = variable("NOTIFY_SOCKET") ?? "";
  if (notifyWay(socket) === "none") {
    notify("notice", "--notify has nothing to do: NOTIFY_SOCKET is not set");
    return;
  }
  const setting = notifyObstacle(socket, confinement);
  if (setting === undefined) return;
  const what = "the program cannot tell the service manager that it is ready";
  notify("warning", `${what}: ${setting} keeps it from NOTIFY_SOCKET, ${display(socket)}`);
}

/** The process that will write the pidfile. Without it the program starts all the same, as in jailkit 2.23. */
function preparePidfile(path: ByteString, notify: Notify): PidWriter | undefined {
  try {
    const pidfile = openPidfile(path);
    if (!pidfile.trusted) {
      notify("notice", `pidfile ${display(path)}: users other than root can replace it in its directory`);
    }
    return startPidWriter(pidfile);
  } catch (error) {
    if (!isReported(error)) throw error;
    notify("notice", `no pidfile ${display(path)}: ${describeError(error)}`);
    return undefined;
  }
}

function step(code: ProblemCode, exitStatus: number, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    throw new JailkitError(code, exitStatus, `${describeError(error)}; jk_chrootlaunch must be run by root`);
  }
}

function changeRoot({ fd, path }: JailRoot): void {
  const jail = fstat(fd);
  step("chdir", 33, () => fchdir(fd, path));
  step("chroot", 35, () => {
    chroot(".");
    chdir("/");
  });
  const arrived = sameFile(statAt(AT_FDCWD, "/"), jail) && sameFile(statAt(AT_FDCWD, "."), jail);
  if (!arrived) throw new JailkitError("chroot", 35, `chroot(${display(path)}) did not lead into the jail`);
}

/**
 * Keeps the program from typing into the terminal of its caller. Called as root. Root without CAP_SYS_ADMIN, as in a
 * container, needs no_new_privs for it, which disables setuid programs.
 */
function guardTerminal(notify: Notify): void {
  const refuse = () => {
    if (!refuseTerminalInput()) notify("notice", NO_FILTERS);
  };
  try {
    refuse();
  } catch (error) {
    if (!isErrno(error, "EACCES")) throw error;
    setNoNewPrivileges();
    refuse();
    notify(
      "notice",
      "without CAP_SYS_ADMIN: setuid programs and file capabilities have no effect in the jail",
    );
  }
}

/** The path of the program, which may lack its slash. */
const fromRoot = (program: ByteString): ByteString => (program.startsWith("/") ? program : `/${program}`);

/** The confinement of a program. */
export function launchConfinement(
  { confine }: LaunchRequest,
  { program, ids }: Pick<Launch, "program" | "ids">,
): Confinement {
  const { home = "" } = ids;
  return confinementOf(confine, false, executeOf(confine, false, [fromRoot(program)], home), home);
}

function enterAndExecute(
  request: LaunchRequest,
  launch: Launch,
  writer: PidWriter | undefined,
  log: Syslog,
  notify: Notify,
): number {
  const nothing = request.daemon ? openAt(AT_FDCWD, "/dev/null", O_RDWR) : -1;
  const socket = request.notify ? variable("NOTIFY_SOCKET") : undefined;
  let { root } = launch;
  if (socket !== undefined && notifyWay(socket) === "bind") root = bindNotifySocket(root, socket);
  // No other thread enters the jail, or has other ids.
  stopNotices();
  // Inside, the mounts of the host are not listed.
  looseFile();
  changeRoot(root);
  step("terminal", 39, () => guardTerminal(notify));
  takeIds(launch.ids, launch.kept);
  const { program } = launch;
  const confinement = launchConfinement(request, launch);
  const { limits } = confinement;
  confineSession(confinement, { log: { write: notify }, program: fromRoot(program) });
  log.write("notice", `executing ${program} in jail ${root.path}`);
  const argv = [program, ...request.programArguments];
  try {
    if (request.daemon) {
      executeDaemon({ path: program, argv, envp: environment(), devNull: nothing, writer, limits });
      writer?.wait();
      return 0;
    }
    if (writer === undefined) return execve(program, argv, environment(), { standardOnly: true, limits });
    announcePid(writer);
    try {
      const failurePipe = writer.pipe;
      return execve(program, argv, environment(), { standardOnly: true, limits, failurePipe });
    } catch (error) {
      withdrawPid(writer);
      throw error;
    }
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const refusal = limitRefusal(error);
    if (refusal !== undefined) throw refusal;
    const hint = `check the permissions and libraries of ${display(program)} in ${display(root.path)}`;
    throw new JailkitError("exec", 31, `${display(program)} cannot be executed: ${error.reason}; ${hint}`);
  }
}

/**
 * jk_chrootlaunch: checks everything, enters the jail, sets the ids and becomes the program. Returns (0) only with
 * `daemon`, when the program was executed. Throws JailkitError with the exit statuses of jailkit 2.23; its message is in
 * the log then.
 */
export function launch(request: LaunchRequest): number {
  // Before the chroot, to reach the host's log.
  const log = openSyslog(TOOL, "daemon");
  const notify: Notify = (severity, message) => {
    log.write(severity, message);
    tryPrintError(`${TOOL}: ${severity === "warning" ? "warning: " : ""}${message}`);
  };
  let writer: PidWriter | undefined;
  try {
    const checks = launchChecks(request);
    let next = checks.next();
    while (!next.done) next = checks.next();
    const checked = next.value;
    warnOfLaunch(request, checked, notify);
    if (request.pidfile !== undefined) writer = preparePidfile(request.pidfile, notify);
    return enterAndExecute(request, checked, writer, log, notify);
  } catch (error) {
    log.write("err", describeError(error));
    // Leaves no part of a pidfile.
    writer?.release();
    writer?.wait();
    throw error;
  }
}
