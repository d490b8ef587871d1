import { type ByteString, trim } from "../../ffi/bytes.ts";

/** A user to whom limits.conf(5) may apply. */
export interface LimitedUser {
  name: ByteString;
  uid: number;
  /** The names of all groups of the user, the primary one too. */
  groups: readonly ByteString[];
  gids: readonly number[];
}

export interface LimitFile {
  file: ByteString;
  text: ByteString;
}

/** The line that sets an item for a user. */
export interface LimitLine {
  item: ByteString;
  value: ByteString;
  file: ByteString;
  line: number;
}

export const HARD: readonly ByteString[] = ["hard", "-"];
export const SOFT: readonly ByteString[] = ["soft", "-"];

/** Items that count logins: soft and hard mean the same, and a domain may be `%` and a group. */
export const LOGIN_COUNTS: ReadonlySet<ByteString> = new Set(["maxlogins", "maxsyslogins"]);
/** For this item the last line counts, regardless of its domain. */
export const NO_NEW_PRIVS = "nonewprivs";

// The more specific domain wins; among equals, the last line.
const USER = 3;
const GROUP = 2;
const EVERYBODY = 1;
const NOBODY = 0;

/**
 * The lines of limits.conf(5) that apply to a user, one for each item. `files` is in the order of pam_limits(8):
 * limits.conf, then limits.d in the order of names.
 */
export function linesFor(
  files: readonly LimitFile[],
  user: LimitedUser,
  wanted: (item: ByteString) => boolean,
  types: readonly ByteString[] = [...HARD, ...SOFT],
): LimitLine[] {
  const found = new Map<ByteString, LimitLine & { weight: number }>();
  for (const { domain, type, ...line } of files.flatMap(linesOf)) {
    const { item } = line;
    if (!wanted(item) || !types.includes(type)) continue;
    const weight = weightOf(domain, user, item);
    if (weight === NOBODY) continue;
    if (item !== NO_NEW_PRIVS && weight < (found.get(item)?.weight ?? NOBODY)) continue;
    found.set(item, { ...line, weight });
  }
  return [...found.values()];
}

function linesOf({ file, text }: LimitFile): (LimitLine & { domain: ByteString; type: ByteString })[] {
  return text.split("\n").flatMap((raw, index) => {
    const [domain, type, name, value] = trim(raw.replace(/#.*/, "")).split(/[\t-\r ]+/);
    if (domain === undefined || type === undefined || name === undefined || value === undefined) return [];
    // "%" alone limits the logins of all users.
    const what =
      domain === "%" ? { domain: "*", item: "maxsyslogins" } : { domain, item: name.toLowerCase() };
    return [{ ...what, value, file, line: index + 1, type: type.toLowerCase() }];
  });
}

/** How specific a domain is for the user and an item. A jailed user is never root, to whom groups do not apply. */
function weightOf(domain: ByteString, user: LimitedUser, item: ByteString): number {
  if (domain === "*") return EVERYBODY;
  if (domain === user.name) return USER;
  if (domain.startsWith("@") || (domain.startsWith("%") && LOGIN_COUNTS.has(item))) {
    const group = domain.slice(1);
    return user.groups.includes(group) || isInRange(group, user.gids) ? GROUP : NOBODY;
  }
  return isInRange(domain, [user.uid]) ? USER : NOBODY;
}

/** True if a range of ids, such as "1000:2000", "1000:" or ":2000", includes one of several. */
function isInRange(range: ByteString, ids: readonly number[]): boolean {
  const [, low, high] = /^(?!:$)(\d*):(\d*)$/.exec(range) ?? [];
  return low !== undefined && ids.some((id) => id >= Number(low) && id <= Number(high || Infinity));
}

/** The number at the start of a value; undefined for no limit and for other text. */
export function limitNumber(text: ByteString): number | undefined {
  const digits = /^\+?(\d+)/.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
