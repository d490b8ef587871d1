import type { ByteString } from "../../ffi/bytes.ts";

/**
 * The limits that matter to the runtime, as limits.conf(5) names them, and the least that it needs, as the guard has it
 * (ffi/guard/limits.c): bytes, or a number of files. Of address space little of what is reserved is used; the stack must
 * hold arguments and environment besides. A soft limit below is raised; a hard limit below keeps the programs from
 * starting at all.
 */
export const NEEDED = { as: 2400 * 2 ** 20, data: 2400 * 2 ** 20, stack: 192 * 1024, nofile: 16 } as const;

export type LimitItem = keyof typeof NEEDED | "nproc" | "cpu";

// sshd's own process for the login, which the user's, and the login shell. su needs none but that of root.
const PROCESSES_OF_SSHD = 2;
// A process that has used up its time is killed at once where it has none.
const LEAST_MINUTES = 1;
// Until the programs raise them, soft limits hold: for sshd's own process, and for the kernel that maps the files.
const AT_START: Readonly<Record<LimitItem, number>> = {
  ...{ as: 256 * 2 ** 20, data: 16 * 2 ** 20, stack: 64 * 1024, nofile: NEEDED.nofile },
  ...{ nproc: PROCESSES_OF_SSHD, cpu: LEAST_MINUTES },
};

/** The least of a limit for a login through a service of PAM: bytes, or a number of files or processes. */
export function neededFor(item: LimitItem, service: ByteString | undefined): number {
  if (item === "cpu") return LEAST_MINUTES;
  if (item !== "nproc") return NEEDED[item];
  return isBySsh(service) ? PROCESSES_OF_SSHD : 0;
}

// Whatever PAMServiceName says; su has a service of its own.
const isBySsh = (service: ByteString | undefined) => service !== undefined && service !== "su-l";

const isItem = (name: string): name is LimitItem => name === "nproc" || name === "cpu" || name in NEEDED;

/** Somebody to whom limits.conf(5) may apply. */
export interface LimitedUser {
  name: ByteString;
  uid: number;
  /** The names of all groups that the user is in, the primary one too. */
  groups: readonly ByteString[];
  gids: readonly number[];
}

/** A limit that a file sets, in the units of NEEDED (`cpu`: minutes), and the line that does. */
export interface HardLimit {
  item: LimitItem;
  value: number;
  file: ByteString;
  line: number;
}

// The more a domain says about whom it means, the more it counts; among equals the last line wins.
const USER = 3;
const GROUP = 2;
const EVERYBODY = 1;

function range(text: ByteString, of: readonly number[]): boolean {
  const match = /^(\d*):(\d*)$/.exec(text);
  if (match === null || text === ":") return false;
  const [, low = "", high = ""] = match;
  // "5:" and ":5" mean from 5 and up to 5; one that stands alone on the left also means that id itself.
  const from = low === "" ? 0 : Number(low);
  const to = high === "" ? Number.POSITIVE_INFINITY : Number(high);
  return of.some((id) => id >= from && id <= to);
}

// Items that count logins: with them soft is as good as hard, and `%` may stand before a group.
const COUNTED: ReadonlySet<ByteString> = new Set(["maxlogins", "maxsyslogins"]);

/** How closely a domain of limits.conf(5) names the user for an item; 0 where it does not. */
function weight(domain: ByteString, user: LimitedUser, item: ByteString): number {
  if (domain === "*") return EVERYBODY;
  if (domain === user.name) return USER;
  if (domain.startsWith("@") || (domain.startsWith("%") && COUNTED.has(item))) {
    const group = domain.slice(1);
    return user.groups.includes(group) || range(group, user.gids) ? GROUP : 0;
  }
  return range(domain, [user.uid]) ? USER : 0;
}

/** A number of limits.conf(5): what follows its digits is ignored. Undefined for no limit, or for what is no number. */
function limitNumber(text: ByteString): number | undefined {
  const digits = /^\+?(\d+)/.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Whether an item counts something, and not KiB. */
export const isCount = (item: LimitItem): boolean => ["nofile", "nproc", "cpu"].includes(item);

/** A value in the units of NEEDED: limits.conf(5) counts in KiB, but for files and processes. */
function limitValue(item: LimitItem, text: ByteString): number | undefined {
  const value = limitNumber(text);
  return value === undefined || isCount(item) ? value : value * 1024;
}

const TYPES: ReadonlySet<ByteString> = new Set(["hard", "soft", "-"]);
const HARD: ReadonlySet<ByteString> = new Set(["hard", "-"]);
const SOFT: ReadonlySet<ByteString> = new Set(["soft", "-"]);
const PRIVILEGES = "nonewprivs";
const ROOT = "chroot";

interface LimitLine {
  item: ByteString;
  value: ByteString;
  weight: number;
  file: ByteString;
  line: number;
}

/** The lines of limits.conf(5) that hold for a user, each item once: the closest that names the user, then the last. */
function linesFor(
  files: readonly { file: ByteString; text: ByteString }[],
  user: LimitedUser,
  wanted: (item: ByteString) => boolean,
  types: ReadonlySet<ByteString> = TYPES,
): LimitLine[] {
  const found = new Map<ByteString, LimitLine>();
  for (const { file, text } of files) {
    for (const [index, raw] of text.split("\n").entries()) {
      const [given, type, name, value] = raw.replace(/#.*/, "").trim().split(/\s+/);
      if (given === undefined || type === undefined || name === undefined || value === undefined) continue;
      const [domain, item] = given === "%" ? ["*", "maxsyslogins"] : [given, name.toLowerCase()];
      if (!wanted(item) || !types.has(type.toLowerCase())) continue;
      const here = weight(domain, user, item);
      // A group or everybody's line does not apply to root, but root is no user of a jail.
      if (here === 0) continue;
      // Of this one the last line counts, whomever it names.
      if (item !== PRIVILEGES && here < (found.get(item)?.weight ?? 0)) continue;
      found.set(item, { item, value, weight: here, file, line: index + 1 });
    }
  }
  return [...found.values()];
}

/**
 * The hard limits of NEEDED that limits.conf(5) sets for a user. `files` in the order in which
 * pam_limits(8) reads them: limits.conf, then limits.d in the order of names.
 */
export function hardLimits(
  files: readonly { file: ByteString; text: ByteString }[],
  user: LimitedUser,
): HardLimit[] {
  return linesFor(files, user, isItem, HARD).flatMap(limitOf);
}

function limitOf({ item, value, file, line }: LimitLine): HardLimit[] {
  const size = isItem(item) ? limitValue(item, value) : undefined;
  return size === undefined || !isItem(item) ? [] : [{ item, value: size, file, line }];
}

/**
 * The soft limits that are too low to start with, though they could be raised. `certain`: sshd's own process ends by it;
 * how much of the others the kernel takes for the programs depends on the machine.
 */
export function lowSoftLimits(
  files: readonly { file: ByteString; text: ByteString }[],
  user: LimitedUser,
  service: ByteString | undefined,
): (HardLimit & { needed: number; certain: boolean })[] {
  return linesFor(files, user, isItem, SOFT)
    .flatMap(limitOf)
    .map((limit) => {
      const { item } = limit;
      const needed = item === "nproc" ? neededFor(item, service) : AT_START[item];
      const certain = item === "cpu" || item === "nproc" || (item === "nofile" && isBySsh(service));
      return { ...limit, needed, certain };
    })
    .filter(({ value, needed }) => value < needed);
}

/** How many logins at a time limits.conf(5) lets a user have, with the lines; none for any number. */
export function sessionLimits(
  files: readonly { file: ByteString; text: ByteString }[],
  user: LimitedUser,
): { item: ByteString; value: number; file: ByteString; line: number }[] {
  return linesFor(files, user, (item) => COUNTED.has(item)).flatMap(({ item, value, file, line }) => {
    const most = limitNumber(value);
    return most === undefined ? [] : [{ item, value: most, file, line }];
  });
}

/** The line of limits.conf(5) that takes from a user what file capabilities and setuid bits give; undefined for none. */
export function privilegeLimit(
  files: readonly { file: ByteString; text: ByteString }[],
  user: LimitedUser,
): { file: ByteString; line: number } | undefined {
  const [found] = linesFor(files, user, (item) => item === PRIVILEGES);
  return found !== undefined && limitNumber(found.value) === 1
    ? { file: found.file, line: found.line }
    : undefined;
}

/** The line of limits.conf(5) by which sessions of a user have another root directory, and which; Debian has it. */
export function rootLimit(
  files: readonly { file: ByteString; text: ByteString }[],
  user: LimitedUser,
): { value: ByteString; file: ByteString; line: number } | undefined {
  return linesFor(files, user, (item) => item === ROOT)[0];
}

/** The hard limits that are too low for a login through a service of PAM. */
export function tooLow(limits: readonly HardLimit[], service: ByteString | undefined): HardLimit[] {
  return limits.filter(({ item, value }) => value < neededFor(item, service));
}
