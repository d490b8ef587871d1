import type { ByteString } from "../../ffi/bytes.ts";
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

const KIB = 1024;
const MIB = 2 ** 20;

/**
 * The least value of each limit for the runtime, as in the guard (ffi/guard/limits.c): bytes, or a number of files.
 * Little of the reserved address space is used; the stack must also hold arguments and environment. The programs raise a
 * soft limit that is lower; with a lower hard limit they do not start.
 */
export const NEEDED = { as: 2400 * MIB, data: 2400 * MIB, stack: 192 * KIB, nofile: 16 } as const;

/** A limit that matters to a login, as limits.conf(5) names it. */
export type LimitItem = keyof typeof NEEDED | "nproc" | "cpu";

// sshd's process for the login, which belongs to the user, and the login shell. su needs only root's.
const PROCESSES_OF_SSHD = 2;
// With no time left, the kernel kills a process at once.
const LEAST_MINUTES = 1;
// Soft limits apply until the programs raise them: to sshd's process, and while the kernel maps the files.
const AT_START: Readonly<Record<LimitItem, number>> = {
  ...{ as: 256 * MIB, data: 16 * MIB, stack: 64 * KIB, nofile: NEEDED.nofile },
  ...{ nproc: PROCESSES_OF_SSHD, cpu: LEAST_MINUTES },
};

/** The least of a limit for a login through a service of PAM: bytes, minutes, or a number of files or processes. */
export function neededFor(item: LimitItem, service: ByteString | undefined): number {
  if (item === "cpu") return LEAST_MINUTES;
  if (item !== "nproc") return NEEDED[item];
  return isBySsh(service) ? PROCESSES_OF_SSHD : 0;
}

// PAMServiceName may name any service but that of su.
const isBySsh = (service: ByteString | undefined) => service !== undefined && service !== "su-l";

const isItem = (name: string): name is LimitItem => name === "nproc" || name === "cpu" || name in NEEDED;

/** A limit in the units of NEEDED (`cpu`: minutes), and the line that sets it. */
interface Limit {
  item: LimitItem;
  value: number;
  file: ByteString;
  line: number;
}

/** True if an item is a number, not a size in KiB. */
export const isCount = (item: LimitItem): boolean => ["nofile", "nproc", "cpu"].includes(item);

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
export function tooLow(limits: readonly Limit[], service: ByteString | undefined): Limit[] {
  return limits.filter(({ item, value }) => value < neededFor(item, service));
}

/**
 * The soft limits that are too low to start with, though the programs could raise them. `certain`: it ends sshd's own
 * process; the kernel's need of the others depends on the machine.
 */
export function lowSoftLimits(
  files: readonly LimitFile[],
  user: LimitedUser,
  service: ByteString | undefined,
): (Limit & { needed: number; certain: boolean })[] {
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

/** The limits of simultaneous logins in limits.conf(5), with their lines. */
export function sessionLimits(
  files: readonly LimitFile[],
  user: LimitedUser,
): (Omit<LimitLine, "value"> & { value: number })[] {
  return linesFor(files, user, (item) => LOGIN_COUNTS.has(item)).flatMap((line) => {
    const value = limitNumber(line.value);
    return value === undefined ? [] : [{ ...line, value }];
  });
}

/** The line of limits.conf(5) that disables file capabilities and setuid bits; undefined if there is none. */
export function privilegeLimit(files: readonly LimitFile[], user: LimitedUser): LimitLine | undefined {
  const [line] = linesFor(files, user, (item) => item === NO_NEW_PRIVS);
  return line !== undefined && limitNumber(line.value) === 1 ? line : undefined;
}

/** The line of limits.conf(5) that sets another root directory, as Debian's pam_limits supports. */
export function rootLimit(files: readonly LimitFile[], user: LimitedUser): LimitLine | undefined {
  return linesFor(files, user, (item) => item === "chroot")[0];
}
