import type { ByteString } from "../../ffi/bytes.ts";
import { display, jsonText, quoted } from "../cli/display.ts";
import { JailkitError, problemFrom, UsageError } from "../cli/error.ts";
import { DRY_RUN, JSON_OUTPUT, VERBOSE } from "../cli/options.ts";
import { printError, printLine } from "../cli/output.ts";
import { problemReport } from "../cli/report.ts";
import { defineTool } from "../cli/tool.ts";
import { ipcText } from "../system/ipc.ts";
import { hostUser, isNobodys } from "../system/name-services.ts";
import { endDueLogins } from "../users/due-logins.ts";
import { objectsOf, removeFromKernel } from "../users/kernel-objects.ts";
import { uidIn } from "../users/new-account.ts";
import type { TerminateReport } from "../users/report-schema.ts";
import { shownPids } from "../users/sessions.ts";
import { pidsToEnd, terminate } from "../users/terminate.ts";

const NAME = "jailkit terminate-user";

/** Somebody whose processes are to end, as the command line names them. */
interface Target {
  readonly given: ByteString;
  readonly uid: number;
}

function named(given: ByteString): Target {
  const uid = hostUser(given)?.uid;
  if (uid === undefined) throw new JailkitError("no-such-user", 2, `there is no user ${quoted(given)}`);
  return { given, uid };
}

function numbered(given: ByteString): Target {
  const uid = uidIn(given);
  if (uid === undefined) throw new JailkitError("bad-uid", 2, `${quoted(given)} is not a uid`);
  return { given, uid };
}

/** Removes, or would remove, what the kernel has of a uid that is that of no account any more: the next one would have it. */
function ofNobody(given: ByteString, uid: number, dryRun: boolean) {
  const removed: string[] = [];
  const problems: ReturnType<typeof problemFrom>[] = [];
  if (!isNobodys(uid)) return { removed, problems };
  if (dryRun) {
    const objects = objectsOf(uid);
    if (objects.length > 0) removed.push(`would remove what the kernel has of it: ${ipcText(objects)}`);
  } else {
    const say = (line: string) => removed.push(line);
    const warn = (line: string, error = new JailkitError("failed", 1, line)) =>
      problems.push(problemFrom(error, "failed", given));
    removeFromKernel({ name: "", uid }, { say, warn });
  }
  return { removed, problems };
}

/** `jailkit terminate-user`: ends all processes of users. */
export const tool = defineTool({
  name: NAME,
  summary: "end all processes of a user at once",
  synopsis: ["[OPTION...] USER...", "[OPTION...] --uid UID"],
  options: {
    uid: {
      short: "u",
      value: "UID",
      repeat: true,
      description: "by the user id, such as that of an account which is gone",
    },
    dryRun: DRY_RUN,
    json: JSON_OUTPUT,
    verbose: VERBOSE,
  },
  exitStatus: {
    0: "the users have no processes any more",
    1: "processes go on, or new ones start all the time, or what the kernel has of a uid without an account stays; the message says which",
    2: "the options are wrong, there is no such user, or it is root: nothing was done",
    5: "the user is not root",
  },
  badOptionStatus: 2,
  notes: `All processes with the user id get SIGKILL, in jails and outside of them, wherever they were started. The kernel sends it to all of them at once: a process that ends as soon as it has started another one does not escape, as it does from pkill(1). A process of root that acts for the user, such as a file server, is not ended: the message names it, and its service has to be stopped. Connections to sshd(8) for the user that are not authenticated yet are ended, too, and those that have named nobody yet, or an account that there is not any more: somebody else who connects at this moment has to try again. So is one that closes a session at that moment, which looks the same: what PAM would have taken away may stay, such as the entry of the login in utmp(5) and wtmp(5) as one that goes on, or what pam_mount(8) has mounted.

What outlives processes in the kernel stays as long as an account has the uid. If none has, whoever gets it later would have that, and it is removed: shared memory, semaphores and message queues of System V (sysvipc(7)) that the uid owns or has created, message queues of POSIX (mq_overview(7)), and the keys in its keyrings (keyrings(7)).

Where its processes leave others no processor, as those of a user who starts some without end, start it with 'nice -n -20': without that it takes many times as long.

New logins are not prevented. Use 'usermod --expiredate 1 USER' first, or an account that 'jailkit apply --prune' or jk_jailuser(8) has to change may have new processes before that is done.`,
  root: 5,
  run({ options, operands }) {
    if (options.uid.length + operands.length === 0) throw new UsageError("no user is given", 2);
    const { dryRun, json, verbose } = options;
    const targets = [...operands.map(named), ...options.uid.map(numbered)];
    if (targets.some(({ uid }) => uid === 0)) throw new UsageError("processes of root are not ended", 2);
    const ended = targets.map(({ given, uid }) => {
      try {
        const pids = dryRun ? pidsToEnd(uid) : terminate(uid);
        const shows = (dryRun || verbose) && !json;
        if (shows && pids.length > 0)
          printLine(`${display(given)}: ${dryRun ? "would end" : "ended"} ${shownPids(pids)}`);
        const { removed, problems } = ofNobody(given, uid, dryRun);
        if (shows) for (const line of removed) printLine(`${display(given)}: ${line}`);
        return { given, uid, pids, removed, problems };
      } catch (error) {
        return { given, uid, pids: [], removed: [], problems: [problemFrom(error, "failed", given)] };
      }
    });
    // Last: it may have to wait for what such a run has started.
    if (!dryRun) for (const line of endDueLogins()) printError(`${NAME}: warning: ${line}`);
    const problems = ended.flatMap((one) => one.problems);
    const exitStatus = problems.length === 0 ? 0 : 1;
    return {
      exitStatus,
      report: (): TerminateReport => ({
        version: 1,
        tool: NAME,
        dryRun,
        users: ended.map(({ given, uid, pids, removed }) => ({
          user: jsonText(given),
          uid,
          pids: [...pids],
          removed,
        })),
        problems: problems.map(problemReport),
        exitStatus,
      }),
      print: () => {
        for (const { message } of problems) printError(`${NAME}: ${message}`);
      },
    };
  },
});
