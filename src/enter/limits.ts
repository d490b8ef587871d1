import type { ByteString } from "../../ffi/bytes.ts";

/** The limits that matter to the runtime: `as` is RLIMIT_AS, `data` RLIMIT_DATA. */
export type LimitItem = "as" | "data";

/** Somebody to whom limits.conf(5) may apply. */
export interface LimitedUser {
  name: ByteString;
  uid: number;
  /** The names of all groups that the user is in, the primary one too. */
  groups: readonly ByteString[];
  gids: readonly number[];
}

/** A hard limit that a file sets, in bytes, and the line that does. */
export interface HardLimit {
  item: LimitItem;
  bytes: number;
  file: ByteString;
  line: number;
}

/**
 * The address space that the runtime reserves (it uses little of it). A soft limit below is raised before it
 * starts; a hard limit below keeps the programs from starting at all.
 */
export const NEEDED_BYTES = 2400 * 1024 * 1024;

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

/** A value of limits.conf(5) in KiB; undefined for no limit, or for what is not a number. */
function kibibytes(value: ByteString): number | undefined {
  return /^\d+$/.test(value) ? Number(value) : undefined;
}

/**
 * The hard limits on address space and data that limits.conf(5) sets for a user. `files` in the order in which
 * pam_limits(8) reads them: limits.conf, then limits.d in the order of names.
 */
export function hardLimits(
  files: readonly { file: ByteString; text: ByteString }[],
  user: LimitedUser,
): HardLimit[] {
  const found = new Map<LimitItem, { weight: number; limit: HardLimit | undefined }>();
  for (const { file, text } of files) {
    for (const [index, raw] of text.split("\n").entries()) {
      const [domain, type, item, value] = raw.replace(/#.*/, "").trim().split(/\s+/);
      if (domain === undefined || type === undefined || value === undefined) continue;
      if (type !== "hard" && type !== "-") continue;
      if (item !== "as" && item !== "data") continue;
      const here = weight(domain, user);
      // A group or everybody's line does not apply to root, but root is no user of a jail.
      if (here === 0 || here < (found.get(item)?.weight ?? 0)) continue;
      const size = kibibytes(value);
      const limit: HardLimit | undefined =
        size === undefined ? undefined : { item, bytes: size * 1024, file, line: index + 1 };
      found.set(item, { weight: here, limit });
    }
  }
  return [...found.values()].flatMap(({ limit }) => (limit === undefined ? [] : [limit]));
}

/** The hard limits that are too low for the runtime. */
export function tooLow(limits: readonly HardLimit[]): HardLimit[] {
  return limits.filter((limit) => limit.bytes < NEEDED_BYTES);
}
