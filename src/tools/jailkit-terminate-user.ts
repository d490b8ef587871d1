import type { ByteString } from "../../ffi/bytes.ts";
import { display, jsonText, quoted } from "../cli/display.ts";
import { JailkitError, problemFrom, UsageError } from "../cli/error.ts";
import { DRY_RUN, JSON_OUTPUT, VERBOSE } from "../cli/options.ts";
import { printError, printLine } from "../cli/output.ts";
import { problemReport } from "../cli/report.ts";
import { defineTool } from "../cli/tool.ts";
import { hostUser } from "../system/name-services.ts";
import { endDueLogins } from "../users/due-logins.ts";
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
    1: "processes go on, or new ones start all the time; the message says which",
    2: "the options are wrong, there is no such user, or it is root: nothing was done",
    5: "the user is not root",
  },
  badOptionStatus: 2,
  notes: `All processes with the user id get SIGKILL, in jails and outside of them, wherever they were started. The kernel sends it to all of them at once: a process that ends as soon as it has started another one does not escape, as it does from pkill(1). A process of root that acts for the user, such as a file server, is not ended: the message names it, and its service has to be stopped. Connections to sshd(8) for the user that are not authenticated yet are ended, too, and those that have named nobody yet, or an account that there is not any more: somebody else who connects at this moment has to try again. So is one that closes a session at that moment, which looks the same: what PAM would have taken away may stay, such as the entry of the login in utmp(5) and wtmp(5) as one that goes on, or what pam_mount(8) has mounted.

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
        if ((dryRun || verbose) && !json && pids.length > 0)
          printLine(`${display(given)}: ${dryRun ? "would end" : "ended"} ${shownPids(pids)}`);
        return { given, uid, pids, problems: [] };
      } catch (error) {
        return { given, uid, pids: [], problems: [problemFrom(error, "failed", given)] };
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
        users: ended.map(({ given, uid, pids }) => ({ user: jsonText(given), uid, pids: [...pids] })),
        problems: problems.map(problemReport),
        exitStatus,
      }),
      print: () => {
        for (const { message } of problems) printError(`${NAME}: ${message}`);
      },
    };
  },
});
