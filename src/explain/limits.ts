import type { ByteString } from "../../ffi/bytes.ts";
import { inWords } from "../cli/remedy.ts";
import { groupIdsOf, groupNamesOf, type PasswdEntry } from "../system/accounts.ts";
import { hostNames, hostText } from "../system/host-files.ts";
import { flattened, optionOf, type PamRule } from "../system/pam/rules.ts";
import { serviceRules } from "../system/pam/service.ts";
import { processesOf } from "../system/processes.ts";
import {
  HARD,
  type LimitedUser,
  type LimitFile,
  type LimitLine,
  LOGIN_COUNTS,
  limitNumber,
  linesFor,
  NO_NEW_PRIVS,
  SOFT,
} from "./limits-conf.ts";
import type { ReportStep } from "./report.ts";
import { commentOut, stepsOf } from "./steps.ts";

const LIMIT_FILE = "/etc/security/limits.conf";
const LIMIT_DIRECTORY = "/etc/security/limits.d";
const KIB = 1024;
const MIB = 2 ** 20;

/**
 * The least value of each limit for the runtime, as in the guard (ffi/guard/limits.c): bytes, or a number of files.
 * Little of the reserved address space is used; the stack must also hold arguments and environment. The programs raise a
 * soft limit that is lower; with a lower hard limit they do not start.
 */
export const NEEDED = { as: 2400 * MIB, data: 2400 * MIB, stack: 192 * KIB, nofile: 16 } as const;

/** A limit that matters to a login, as limits.conf(5) names it. */
type LimitItem = keyof typeof NEEDED | "nproc" | "cpu";

// sshd's process for the login, which belongs to the user, and the login shell. su needs only root's.
const PROCESSES_OF_SSHD = 2;
// With no time left, the kernel kills a process at once.
const LEAST_MINUTES = 1;
// Soft limits apply until the programs raise them: to sshd's process, and while the kernel maps the files.
const AT_START: Readonly<Record<LimitItem, number>> = {
  ...{ as: 256 * MIB, data: 16 * MIB, stack: 64 * KIB, nofile: NEEDED.nofile },
  ...{ nproc: PROCESSES_OF_SSHD, cpu: LEAST_MINUTES },
};

/** The PAM service of a login; undefined if PAM opens no session. PAMServiceName may name any but that of su. */
type Service = ByteString | undefined;

const isBySsh = (service: Service) => service !== undefined && service !== "su-l";
const isItem = (name: string): name is LimitItem => name === "nproc" || name === "cpu" || name in NEEDED;
/** True if an item is a number, not a size in KiB. */
const isCount = (item: LimitItem) => ["nofile", "nproc", "cpu"].includes(item);

function neededFor(item: LimitItem, service: Service): number {
  if (item === "cpu") return LEAST_MINUTES;
  if (item !== "nproc") return NEEDED[item];
  return isBySsh(service) ? PROCESSES_OF_SSHD : 0;
}

/** A limit in the units of NEEDED (`cpu`: minutes), and the line that sets it. */
interface Limit extends Omit<LimitLine, "item" | "value"> {
  item: LimitItem;
  value: number;
}

function limitOf({ item, value, file, line }: LimitLine): Limit[] {
  const number = limitNumber(value);
  if (number === undefined || !isItem(item)) return [];
  return [{ item, value: isCount(item) ? number : number * KIB, file, line }];
}

/** The hard limits that limits.conf(5) sets for a user; `files` as for linesFor. */
export function hardLimits(files: readonly LimitFile[], user: LimitedUser): Limit[] {
  return linesFor(files, user, isItem, HARD).flatMap(limitOf);
}

/** The hard limits that are too low for a login through a service of PAM. */
export function tooLow(limits: readonly Limit[], service: Service): Limit[] {
  return limits.filter(({ item, value }) => value < neededFor(item, service));
}

/**
 * The soft limits that are too low to start with, though the programs could raise them. `certain`: it ends sshd's own
 * process; the kernel's need of the others depends on the machine.
 */
export function lowSoftLimits(files: readonly LimitFile[], user: LimitedUser, service: Service) {
  const limits = linesFor(files, user, isItem, SOFT).flatMap(limitOf);
  return limits.flatMap((limit) => {
    const { item, value } = limit;
    const needed = item === "nproc" ? neededFor(item, service) : AT_START[item];
    const certain = item === "cpu" || item === "nproc" || (item === "nofile" && isBySsh(service));
    return value < needed ? [{ ...limit, needed, certain }] : [];
  });
}

/** The limits of simultaneous logins in limits.conf(5), with their lines. */
export function sessionLimits(files: readonly LimitFile[], user: LimitedUser) {
  return linesFor(files, user, (item) => LOGIN_COUNTS.has(item)).flatMap((line) => {
    const value = limitNumber(line.value);
    return value === undefined ? [] : [{ ...line, value }];
  });
}

/** The line of limits.conf(5) that disables file capabilities and setuid bits; undefined if there is none. */
export function privilegeLimit(files: readonly LimitFile[], user: LimitedUser): LimitLine | undefined {
  return linesFor(files, user, (item) => item === NO_NEW_PRIVS).find(({ value }) => limitNumber(value) === 1);
}

const step = stepsOf("limits");

/**
 * Checks whether the limits of pam_limits(8) in sessions of a service are high enough for the programs. The limits of
 * this session need no check: if they were too low, this program would not have started.
 */
export function limitSteps(account: PasswdEntry, service: Service): ReportStep[] {
  const all = service === undefined ? [] : flattened(serviceRules("session", service));
  const rules = all.filter(({ module }) => module === "pam_limits.so");
  if (rules.length === 0)
    return [step("pam-limits", "passed", "no session of this kind is limited by pam_limits")];
  const { name, uid, gid } = account;
  const user = { name, uid, groups: groupNamesOf(account), gids: groupIdsOf(name, gid) };
  const files = limitFiles(rules);
  const hard = hardSteps(files, user, service);
  const soft = softSteps(files, user, service).filter(({ name }) => !hard.some((one) => one.name === name));
  const counts = sessionLimits(files, user).flatMap((limit) => countSteps(limit, account));
  const steps = [...hard, ...soft, ...lineSteps(files, user), ...counts];
  if (steps.length > 0) return steps;
  const message = `${LIMIT_FILE} and ${LIMIT_DIRECTORY} set no limit below what the programs need`;
  return [step("pam-limits", "passed", message)];
}

/** The files of pam_limits(8) in the order of reading; with `conf=` in a rule only that one. */
function limitFiles(rules: readonly PamRule[]): LimitFile[] {
  const own = rules.flatMap(({ arguments: words }) =>
    words.flatMap((word) => optionOf([word], "conf") ?? []),
  );
  const names = hostNames(LIMIT_DIRECTORY).filter((name) => name.endsWith(".conf"));
  const files = own.length > 0 ? own : [LIMIT_FILE, ...names.map((name) => `${LIMIT_DIRECTORY}/${name}`)];
  return files.flatMap((file) => {
    const text = hostText(file);
    return text === undefined ? [] : [{ file, text }];
  });
}

function shown(item: LimitItem, value: number): string {
  if (item === "cpu") return `${value} minutes`;
  if (isCount(item)) return `${value}`;
  return value >= MIB ? `${Math.floor(value / MIB)} MiB` : `${Math.floor(value / KIB)} KiB`;
}

const inFile = (item: LimitItem, value: number) => (isCount(item) ? `${value}` : `${value / KIB} (KiB)`);

function hardSteps(files: LimitFile[], user: LimitedUser, service: Service): ReportStep[] {
  return tooLow(hardLimits(files, user), service).map(({ item, value, file, line }) => {
    const need = neededFor(item, service);
    const needs = item === "nproc" ? "a login by ssh needs" : "the programs need";
    const message = `${file}:${line} limits '${item}' to ${shown(item, value)}, but ${needs} ${shown(item, need)}`;
    const words = `raise the hard limit '${item}' of ${user.name} to ${inFile(item, need)} or more`;
    return step(item, "failed", message, inWords(words));
  });
}

function softSteps(files: LimitFile[], user: LimitedUser, service: Service): ReportStep[] {
  return lowSoftLimits(files, user, service).map(({ item, value, file, line, needed, certain }) => {
    const need = `${certain ? "" : "up to "}${shown(item, needed)}`;
    const message = `${file}:${line} limits '${item}' to ${shown(item, value)} at first, but a login needs ${need} before the programs can raise it`;
    const words = `raise the soft limit '${item}' of ${user.name} to ${inFile(item, needed)} or more`;
    return step(item, certain ? "failed" : "unknown", message, inWords(words));
  });
}

/** Steps about lines that take privileges away, or set another root directory, as Debian's pam_limits supports. */
function lineSteps(files: LimitFile[], user: LimitedUser): ReportStep[] {
  const steps: ReportStep[] = [];
  const privilege = privilegeLimit(files, user);
  if (privilege !== undefined) {
    const { file, line } = privilege;
    const message = `${file}:${line} sets nonewprivs: jk_chrootsh gets no privilege and cannot enter the jail`;
    steps.push(step("nonewprivs", "failed", message, commentOut(file, line)));
  }
  const [root] = linesFor(files, user, (item) => item === "chroot");
  if (root !== undefined) {
    const { file, line, value } = root;
    const message = `${file}:${line} sets another root directory, ${value}, if pam_limits knows 'chroot' (Debian's does): the login shell and the home are then looked up in it`;
    steps.push(step("chroot", "unknown", message, commentOut(file, line)));
  }
  return steps;
}

/** The limit of simultaneous logins. Their present number is known only if the user has no process. */
function countSteps(
  { item, value, file, line }: ReturnType<typeof sessionLimits>[number],
  { name, uid }: PasswdEntry,
): ReportStep[] {
  const raise = inWords(`raise ${item} of ${name} in ${file}`);
  if (value === 0) return [step(item, "failed", `${file}:${line} allows ${name} no login`, raise)];
  // Logins of all users are not counted, since their number changes all the time.
  if (item === "maxsyslogins" || processesOf(uid).length === 0) return [];
  const message = `${file}:${line} allows ${value} logins at a time, and the user has processes`;
  return [step(item, "unknown", message, raise)];
}
