import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { appendCommand, operands } from "../cli/shell-word.ts";
import { hostNames, hostText } from "./host-files.ts";
import { findProgram } from "./run.ts";

/** A way in which the host runs jobs of an account, outside any jail, and the remedy. */
interface JobWarning {
  code: "crontab" | "cron" | "at-jobs" | "at";
  message: ByteString;
  remedy: ByteString;
}

/** The directories of Debian and of others: crontab(1), at(1). */
const CRONTABS = ["/var/spool/cron/crontabs", "/var/spool/cron"];
const AT_JOBS = ["/var/spool/cron/atjobs", "/var/spool/at"];
const OUTSIDE = "with /bin/sh on the host, outside the jail";

/**
 * True if a user may schedule jobs: if NAME.allow exists, it must name the user; else NAME.deny must not. `otherwise`: the
 * answer if neither exists.
 */
export function mayScheduleJobs(
  user: ByteString,
  allow: ByteString | undefined,
  deny: ByteString | undefined,
  otherwise: boolean,
): boolean {
  const names = (text: ByteString) => text.split("\n").map((line) => line.trim());
  if (allow !== undefined) return names(allow).includes(user);
  return deny === undefined ? otherwise : !names(deny).includes(user);
}

/** The files of a directory that belong to a user; none if it cannot be listed. */
function filesOf(directory: ByteString, uid: number): ByteString[] {
  try {
    return hostNames(directory).flatMap((name) => {
      const stat = statIfPresent(AT_FDCWD, `${directory}/${name}`);
      return stat?.uid === uid ? [`${directory}/${name}`] : [];
    });
  } catch (error) {
    if (error instanceof SystemError) return [];
    throw error;
  }
}

/** The crontab of a user; undefined if it is missing, or this process may not see it. */
function crontabOf(user: ByteString): ByteString | undefined {
  return CRONTABS.map((directory) => `${directory}/${user}`).find((path) => {
    try {
      return statIfPresent(AT_FDCWD, path) !== undefined;
    } catch (error) {
      if (error instanceof SystemError) return false;
      throw error;
    }
  });
}

function permission(
  kind: "cron" | "at",
  program: ByteString,
  user: ByteString,
  otherwise: boolean,
): JobWarning[] {
  if (findProgram(program) === undefined) return [];
  const allow = `/etc/${kind}.allow`;
  const deny = `/etc/${kind}.deny`;
  let named: boolean;
  try {
    named = hostText(allow) !== undefined;
    if (!mayScheduleJobs(user, hostText(allow), hostText(deny), otherwise)) return [];
  } catch (error) {
    // Only root may be able to read them.
    if (error instanceof SystemError) return [];
    throw error;
  }
  const remedy = named
    ? `take ${user} out of ${allow}`
    : `touch ${allow} (then only users that it names may), or for this account alone: ${appendCommand(user, deny)}`;
  return [{ code: kind, message: `the user may use ${program}(1), whose jobs run ${OUTSIDE}`, remedy }];
}

/**
 * Warnings about jobs that cron(8) and at(1) run for an account, or would run: no login shell limits these, and so no
 * jail. Only root can see existing jobs. Throws SystemError.
 */
export function jobWarnings({ name, uid }: { name: ByteString; uid: number }): JobWarning[] {
  const warnings: JobWarning[] = [];
  const crontab = crontabOf(name);
  if (crontab !== undefined) {
    const message = `the crontab of the user runs ${OUTSIDE}`;
    warnings.push({
      code: "crontab",
      message,
      remedy: `read it, and move it away from cron: mv ${operands(crontab, `/root/crontab.${name}`)}`,
    });
  }
  const jobs = AT_JOBS.flatMap((directory) => filesOf(directory, uid));
  if (jobs.length > 0) {
    const message = `${jobs.length === 1 ? "a job" : `${jobs.length} jobs`} of the user, given to at(1), will run ${OUTSIDE}`;
    warnings.push({
      code: "at-jobs",
      message,
      remedy: `read them, and move them away from at: mv ${operands(...jobs, "/root")}`,
    });
  }
  return [...warnings, ...permission("cron", "crontab", name, true), ...permission("at", "at", name, false)];
}
