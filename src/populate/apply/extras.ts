import type { ByteString } from "../../../ffi/bytes.ts";
import { problemFrom } from "../../cli/error.ts";
import type { ProblemCode } from "../../cli/problem-codes.ts";
import { endsRun, noRoom, type Work } from "../../jail/fs/no-room.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import type { Entry, PopulateProblem } from "../entry.ts";
import type { LineReporter } from "../reporter.ts";
import type { PopulateRequest } from "../request.ts";
import { addAccounts, lacksAccounts, type WantedAccounts } from "./accounts.ts";
import { requireLogSocket } from "./foresee.ts";
import { concernsLibraries, lacksCache, renewLibraryCache } from "./library-cache.ts";
import { requireLiveLines } from "./live-lines.ts";
import { registerLogSocket } from "./log-socket.ts";
import { addProcLine, mountJailProc, requireProcLine } from "./proc.ts";
import { setUpSockets } from "./sockets.ts";

/** The progress when all files are copied. */
const ALL_FILES: Work = { left: [], progress: "what was copied is in place" };

/** The problem of a jail that is filled, and whose record cannot be written. */
export function notRecorded(error: unknown, jail: ByteString): PopulateProblem {
  const code = "manifest";
  const why = problemFrom(error, code, jail, "the record of the jail is not written: ");
  return noRoom(error, jail, ALL_FILES) ?? { ...why, code };
}

/** Collects the problems of steps of which every one is tried. */
function stepsOf(jail: ByteString, reporter: LineReporter) {
  const problems: PopulateProblem[] = [];
  const attempt = (code: ProblemCode, step: () => void) => {
    if (problems.some(endsRun)) return;
    try {
      step();
    } catch (error) {
      const problem = noRoom(error, jail, ALL_FILES) ?? problemFrom(error, code, jail);
      problems.push(problem);
      reporter.fail(problem);
    }
  };
  return { problems, attempt };
}

/** The problems that addExtras would have with the configuration of the machine. */
export function foreseeExtras(
  { jail, needProc, needLogsocket, sockets = [] }: PopulateRequest,
  reporter: LineReporter,
): PopulateProblem[] {
  const { problems, attempt } = stepsOf(jail, reporter);
  if (needProc) attempt("proc", () => requireProcLine(jail));
  attempt("sockets", () => requireLiveLines(jail, sockets));
  if (needLogsocket) attempt("log-socket", () => requireLogSocket(jail));
  return problems;
}

/** Adds everything besides files that a request asks for. Every step is tried, and each failure is a problem. */
export function addExtras(
  root: JailRoot,
  request: PopulateRequest,
  entries: readonly Entry[],
  reporter: LineReporter,
): PopulateProblem[] {
  const { jail, accounts } = request;
  const { problems, attempt } = stepsOf(jail, reporter);
  if (accounts) attempt("accounts", () => addWantedAccounts(root, accounts, reporter));
  if (request.needProc) {
    attempt("proc", () => {
      if (addProcLine(jail)) reporter.detail(`Adding ${jail}/proc to /etc/fstab`);
      if (mountJailProc(root)) reporter.detail(`Mounting proc on ${jail}/proc`);
    });
  }
  const { sockets = [] } = request;
  attempt("sockets", () => setUpSockets(root, sockets, (line) => reporter.say(line)));
  if (request.needLogsocket) {
    attempt("log-socket", () => {
      const file = registerLogSocket(jail);
      if (file !== undefined) reporter.detail(`Adding ${jail}/dev/log to ${file}`);
    });
  }
  attempt("library-cache", () => {
    if (concernsLibraries(entries) || lacksCache(root)) renewLibraryCache(root);
  });
  return problems;
}

function addWantedAccounts(root: JailRoot, accounts: WantedAccounts, reporter: LineReporter): void {
  // Names differ between distributions, so some may be missing, but not all.
  const none = accounts.users.length + accounts.groups.length === 0;
  for (const each of accounts.missing) reporter[none ? "warn" : "detail"](`this machine has no ${each}`);
  // On a file system that is read-only, the lock could not be taken.
  if (lacksAccounts(root, accounts)) addAccounts(root, accounts, reporter);
}
