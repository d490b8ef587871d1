import type { ByteString } from "../../ffi/bytes.ts";
import { shellWord } from "../cli/shell-word.ts";
import { groupIdsOf, groupNamesOf, type PasswdEntry } from "../system/accounts.ts";
import { hostNames, hostText } from "../system/host-files.ts";
import type { PamRule } from "../system/pam/rules.ts";
import { flattened } from "../system/pam/rules.ts";
import { serviceRules } from "../system/pam/service.ts";
import { processesOf } from "../system/processes.ts";
import type { LimitedUser, LimitFile } from "./limits-conf.ts";
import type { ReportStep } from "./report.ts";
import {
  hardLimits,
  isCount,
  type LimitItem,
  lowSoftLimits,
  neededFor,
  privilegeLimit,
  rootLimit,
  sessionLimits,
  tooLow,
} from "./runtime-limits.ts";
import { stepsOf } from "./steps.ts";

const LIMIT_FILE = "/etc/security/limits.conf";
const LIMIT_DIRECTORY = "/etc/security/limits.d";

const step = stepsOf("limits");

/**
 * Checks whether the limits of pam_limits(8) in sessions of a service are high enough for the programs; `service` is
 * undefined if PAM opens no session. The limits of this session need no check: if they were too low, this program would
 * not have started.
 */
export function limitSteps(account: PasswdEntry, service: ByteString | undefined): ReportStep[] {
  const rules = service === undefined ? [] : limitRules(service);
  if (rules.length === 0)
    return [step("pam-limits", "passed", "no session of this kind is limited by pam_limits")];
  const gids = groupIdsOf(account.name, account.gid);
  const user = { name: account.name, uid: account.uid, groups: groupNamesOf(account), gids };
  const files = limitFiles(rules);
  const hard = hardSteps(files, user, service);
  const soft = softSteps(files, user, service).filter(({ name }) => !hard.some((one) => one.name === name));
  const steps = [
    ...hard,
    ...soft,
    ...privilegeSteps(files, user),
    ...rootSteps(files, user),
    ...sessionLimits(files, user).flatMap((limit) => countSteps(limit, account)),
  ];
  if (steps.length > 0) return steps;
  const message = `${LIMIT_FILE} and ${LIMIT_DIRECTORY} set no limit below what the programs need`;
  return [step("pam-limits", "passed", message)];
}

function limitRules(service: ByteString): PamRule[] {
  return flattened(serviceRules("session", service)).filter(({ module }) => module === "pam_limits.so");
}

/** The files of pam_limits(8) in the order of reading; with `conf=` in a rule only that one. */
function limitFiles(rules: readonly PamRule[]): LimitFile[] {
  const own = rules.flatMap(({ arguments: words }) => words.filter((word) => word.startsWith("conf=")));
  const names = hostNames(LIMIT_DIRECTORY).filter((name) => name.endsWith(".conf"));
  const files =
    own.length > 0
      ? own.map((word) => word.slice("conf=".length))
      : [LIMIT_FILE, ...names.map((name) => `${LIMIT_DIRECTORY}/${name}`)];
  return files.flatMap((file) => {
    const text = hostText(file);
    return text === undefined ? [] : [{ file, text }];
  });
}

function shown(item: LimitItem, value: number): string {
  if (item === "cpu") return `${value} minutes`;
  if (isCount(item)) return `${value}`;
  return value >= 1 << 20 ? `${Math.floor(value / 2 ** 20)} MiB` : `${Math.floor(value / 1024)} KiB`;
}

const inFile = (item: LimitItem, value: number) => (isCount(item) ? `${value}` : `${value / 1024} (KiB)`);

function hardSteps(files: LimitFile[], user: LimitedUser, service: ByteString | undefined): ReportStep[] {
  return tooLow(hardLimits(files, user), service).map(({ item, value, file, line }) => {
    const need = neededFor(item, service);
    const needs = item === "nproc" ? "a login by ssh needs" : "the programs need";
    const message = `${file}:${line} limits '${item}' to ${shown(item, value)}, but ${needs} ${shown(item, need)}`;
    const remedy = `raise the hard limit '${item}' of ${user.name} to ${inFile(item, need)} or more`;
    return step(item, "failed", message, remedy);
  });
}

function softSteps(files: LimitFile[], user: LimitedUser, service: ByteString | undefined): ReportStep[] {
  return lowSoftLimits(files, user, service).map(({ item, value, file, line, needed, certain }) => {
    const need = `${certain ? "" : "up to "}${shown(item, needed)}`;
    const message = `${file}:${line} limits '${item}' to ${shown(item, value)} at first, but a login needs ${need} before the programs can raise it`;
    const remedy = `raise the soft limit '${item}' of ${user.name} to ${inFile(item, needed)} or more`;
    return step(item, certain ? "failed" : "unknown", message, remedy);
  });
}

const commentOut = (file: ByteString, line: number) => `sed -i '${line}s/^/#/' ${shellWord(file)}`;

function privilegeSteps(files: LimitFile[], user: LimitedUser): ReportStep[] {
  const found = privilegeLimit(files, user);
  if (found === undefined) return [];
  const { file, line } = found;
  const message = `${file}:${line} sets nonewprivs: jk_chrootsh gets no privilege and cannot enter the jail`;
  return [step("nonewprivs", "failed", message, commentOut(file, line))];
}

function rootSteps(files: LimitFile[], user: LimitedUser): ReportStep[] {
  const found = rootLimit(files, user);
  if (found === undefined) return [];
  const { file, line, value } = found;
  const message = `${file}:${line} sets another root directory, ${value}, if pam_limits knows 'chroot' (Debian's does): the login shell and the home are then looked up in it`;
  return [step("chroot", "unknown", message, commentOut(file, line))];
}

/** The limit of simultaneous logins. Their present number is known only if the user has no process. */
function countSteps(
  { item, value, file, line }: ReturnType<typeof sessionLimits>[number],
  { name, uid }: PasswdEntry,
): ReportStep[] {
  const remedy = `raise ${item} of ${name} in ${file}`;
  if (value === 0) return [step(item, "failed", `${file}:${line} allows ${name} no login`, remedy)];
  // Logins of all users are not counted, since their number changes all the time.
  if (item === "maxsyslogins" || processesOf(uid).length === 0) return [];
  const message = `${file}:${line} allows ${value} logins at a time, and the user has processes`;
  return [step(item, "unknown", message, remedy)];
}
