import { type ByteString, trim } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { quoted } from "../cli/display.ts";
import { type Advice, inWords, type Remedy } from "../cli/remedy.ts";
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
/** Those of mail; one may be a link to the other. */
const MAIL = ["/var/mail", "/var/spool/mail"];
/** A file for each user whose manager systemd starts at boot: loginctl(1), enable-linger. */
const LINGER = "/var/lib/systemd/linger";
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

/** Warnings about what cron(8), at(1) and systemd(1) start for an account. Only root can see all of it. Throws SystemError. */
function existingJobs({ name, uid }: Account): LoginWarning[] {
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
  const linger = `${LINGER}/${name}`;
  if (attempt(() => statIfPresent(AT_FDCWD, linger)) !== undefined) {
    warnings.push({
      code: "linger",
      message:
        "systemd starts a manager for the user at each boot, with the user's units, outside the jail (loginctl enable-linger)",
      advice: `mv -nT ${operands(linger, freeNumbered(`/root/linger.${name}`))}`,
    });
  }
  return warnings;
}

/** The same of an account that is removed, and about its mail: who gets its name or uid later gets them. Throws SystemError. */
export function leftOf(account: Account): LoginWarning[] {
  const { name, uid } = account;
  const mail = MAIL.map((directory) => `${directory}/${name}`).find((path) => {
    const stat = attempt(() => statIfPresent(AT_FDCWD, path));
    return stat?.uid === uid && stat.size > 0;
  });
  if (mail === undefined) return existingJobs(account);
  const message = `mail of the user is in ${quoted(mail)}: who gets its uid later can read it`;
  const advice: Remedy = `mv -nT ${operands(mail, freeNumbered(`/root/mail.${name}`))}`;
  return [...existingJobs(account), { code: "mail", message, advice }];
}

/** As existingJobs, and about jobs that it may give them: no login shell limits these, and so no jail. Throws SystemError. */
export const jobWarnings = (account: Account): LoginWarning[] => [
  ...existingJobs(account),
  ...permission("cron", "crontab", account.name, true),
  ...permission("at", "at", account.name, false),
];
