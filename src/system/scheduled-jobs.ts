import { type ByteString, trim } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { type Advice, inWords } from "../cli/remedy.ts";
import { appendCommand, operands, shellWord } from "../cli/shell-word.ts";
import { freeNumbered } from "./free-name.ts";
import { hostNames, hostText } from "./host-files.ts";
import { findProgram } from "./run.ts";

/** A way around the jail of an account, and what to do. */
export interface LoginWarning {
  code: string;
  message: ByteString;
  advice: Advice;
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
  const names = (text: ByteString) => text.split("\n").map((line) => trim(line));
  if (allow !== undefined) return names(allow).includes(user);
  return deny === undefined ? otherwise : !names(deny).includes(user);
}

/** The files of a directory that belong to a user; none if it cannot be listed. */
function filesOf(directory: ByteString, uid: number): ByteString[] {
  const paths = attempt(() => {
    const all = hostNames(directory).map((name) => `${directory}/${name}`);
    return all.filter((path) => statIfPresent(AT_FDCWD, path)?.uid === uid);
  });
  return paths ?? [];
}

/** The crontab of a user; undefined if it is missing, or this process may not see it. */
function crontabOf(user: ByteString): ByteString | undefined {
  const paths = CRONTABS.map((directory) => `${directory}/${user}`);
  return paths.find((path) => attempt(() => statIfPresent(AT_FDCWD, path)) !== undefined);
}

function permission(
  kind: "cron" | "at",
  program: ByteString,
  user: ByteString,
  otherwise: boolean,
): LoginWarning[] {
  if (findProgram(program) === undefined) return [];
  const allow = `/etc/${kind}.allow`;
  const deny = `/etc/${kind}.deny`;
  // Only root may be able to read them.
  const lists = attempt(() => ({ allow: hostText(allow), deny: hostText(deny) }));
  if (lists === undefined || !mayScheduleJobs(user, lists.allow, lists.deny, otherwise)) return [];
  const words =
    lists.allow !== undefined
      ? `take ${user} out of ${allow}`
      : `let only users do so whom ${allow} names: touch ${allow}; or for this account alone: ${appendCommand(user, deny)}`;
  return [
    {
      code: kind,
      message: `the user may use ${program}(1), whose jobs run ${OUTSIDE}`,
      advice: inWords(words),
    },
  ];
}

interface Account {
  readonly name: ByteString;
  readonly uid: number;
}

/** Warnings about jobs that cron(8) and at(1) have of an account. Only root can see them. Throws SystemError. */
export function existingJobs({ name, uid }: Account): LoginWarning[] {
  const warnings: LoginWarning[] = [];
  const crontab = crontabOf(name);
  if (crontab !== undefined) {
    warnings.push({
      code: "crontab",
      message: `the crontab of the user runs ${OUTSIDE}, until it is moved away from cron: read it`,
      advice: `mv -nT ${operands(crontab, freeNumbered(`/root/crontab.${name}`))}`,
    });
  }
  const jobs = AT_JOBS.flatMap((directory) => filesOf(directory, uid));
  if (jobs.length > 0) {
    const folder = shellWord(freeNumbered(`/root/at-jobs.${name}`));
    const what = jobs.length === 1 ? "a job" : `${jobs.length} jobs`;
    warnings.push({
      code: "at-jobs",
      message: `${what} of the user, given to at(1), will run ${OUTSIDE}, unless moved away from at: read them`,
      advice: `mkdir -m 0700 ${folder} && mv -n ${operands(...jobs)} ${folder}`,
    });
  }
  return warnings;
}

/** The same, and about those that it may give them: no login shell limits these, and so no jail. Throws SystemError. */
export const jobWarnings = (account: Account): LoginWarning[] => [
  ...existingJobs(account),
  ...permission("cron", "crontab", account.name, true),
  ...permission("at", "at", account.name, false),
];
