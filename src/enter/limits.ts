import type { ByteString } from "../../ffi/bytes.ts";

/**
 * The limits that matter to the runtime, as limits.conf(5) names them, and the least that it needs, as the guard has it
 * (ffi/guard/limits.c): bytes, or a number of files. Of address space little of what is reserved is used; the stack must
 * hold arguments and environment besides. A soft limit below is raised; a hard limit below keeps the programs from
 * starting at all.
 */
export const NEEDED = { as: 2400 * 2 ** 20, data: 2400 * 2 ** 20, stack: 192 * 1024, nofile: 16 } as const;

export type LimitItem = keyof typeof NEEDED;

const isItem = (name: string | undefined): name is LimitItem => name !== undefined && name in NEEDED;

/** Somebody to whom limits.conf(5) may apply. */
export interface LimitedUser {
  name: ByteString;
  uid: number;
  /** The names of all groups that the user is in, the primary one too. */
  groups: readonly ByteString[];
  gids: readonly number[];
}

/** A hard limit that a file sets, in the units of NEEDED, and the line that does. */
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

/** How closely a domain of limits.conf(5) names the user; 0 where it does not. */
function weight(domain: ByteString, user: LimitedUser): number {
  if (domain === "*") return EVERYBODY;
  if (domain === user.name) return USER;
  if (domain.startsWith("@")) {
    const group = domain.slice(1);
    return user.groups.includes(group) || range(group, user.gids) ? GROUP : 0;
  }
  return range(domain, [user.uid]) ? USER : 0;
}

/** A value of limits.conf(5), which counts in KiB but for files; undefined for no limit, or for what is no number. */
function limitValue(item: LimitItem, text: ByteString): number | undefined {
  if (!/^\d+$/.test(text)) return undefined;
  return item === "nofile" ? Number(text) : Number(text) * 1024;
}

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
): LimitLine[] {
  const found = new Map<ByteString, LimitLine>();
  for (const { file, text } of files) {
    for (const [index, raw] of text.split("\n").entries()) {
      const [domain, type, item, value] = raw.replace(/#.*/, "").trim().split(/\s+/);
      if (domain === undefined || item === undefined || value === undefined || !wanted(item)) continue;
      if (type !== "hard" && type !== "-") continue;
      const here = weight(domain, user);
      // A group or everybody's line does not apply to root, but root is no user of a jail.
      if (here === 0 || here < (found.get(item)?.weight ?? 0)) continue;
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
  return linesFor(files, user, isItem).flatMap(({ item, value, file, line }): HardLimit[] => {
    const size = isItem(item) ? limitValue(item, value) : undefined;
    return size === undefined || !isItem(item) ? [] : [{ item, value: size, file, line }];
  });
}

/** How many logins at a time limits.conf(5) lets a user have, with its line; undefined for any number. */
export function sessionLimit(
  files: readonly { file: ByteString; text: ByteString }[],
  user: LimitedUser,
): Omit<HardLimit, "item"> | undefined {
  const [found] = linesFor(files, user, (item) => item === "maxlogins");
  if (found === undefined || !/^\d+$/.test(found.value)) return undefined;
  return { value: Number(found.value), file: found.file, line: found.line };
}

/** The hard limits that are too low for the runtime. */
export function tooLow(limits: readonly HardLimit[]): HardLimit[] {
  return limits.filter(({ item, value }) => value < NEEDED[item]);
}
