import { type ByteString, trim } from "../../ffi/bytes.ts";
import { JailkitError } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { ACCOUNT_FILE_LIMIT } from "./flat-accounts.ts";
import { hostText } from "./host-files.ts";

/** The value of a key in a file of keys and values: login.defs(5), or with `=` as separator /etc/default/useradd. */
function valueIn(file: ByteString, key: string, separator: "=" | " "): ByteString | undefined {
  let found: ByteString | undefined;
  for (const line of (hostText(file) ?? "").split("\n")) {
    const [, name, value] =
      (separator === "=" ? /^(\w+)=(.*)$/ : /^[\t-\r ]*(\w+)[\t-\r ]+([^\t-\r ]+)/).exec(line) ?? [];
    if (name === key) found = trim(value ?? "").replace(/^"(.*)"$/, "$1");
  }
  return found;
}

/** A number of login.defs(5), as C writes it: a leading 0 means octal. */
function numberOf(key: string, otherwise: number): number {
  const value = valueIn("/etc/login.defs", key, " ") ?? "";
  if (/^0[0-7]*$/.test(value)) return Number.parseInt(value, 8);
  if (/^0x[0-9a-f]+$/i.test(value) || /^[1-9]\d*$/.test(value)) return Number(value);
  return otherwise;
}

/** The ids in the third field of the lines of passwd(5) or group(5). */
function idsIn(file: ByteString): number[] {
  return (hostText(file, ACCOUNT_FILE_LIMIT) ?? "").split("\n").flatMap((line) => {
    const id = line.split(":")[2] ?? "";
    return /^\d+$/.test(id) ? [Number(id)] : [];
  });
}

/** The lowest uid of an account that is not a system account. Throws SystemError. */
export const firstUserId = (): number => numberOf("UID_MIN", 1000);

/** The uid of services that have none of their own. */
export const NOBODY = 65_534;

/**
 * The ids that useradd(8) or groupadd(8) gives to new accounts or groups, one after the other: above those of the file, or for a
 * system account below them, in the range of login.defs(5). Throws SystemError.
 */
export function* nextIds(
  kind: "UID" | "GID",
  system: boolean,
  isUsed: (id: number) => boolean,
): Generator<number, undefined> {
  const { least, most } = idRange(kind, system);
  const used = new Set(idsIn(kind === "UID" ? "/etc/passwd" : "/etc/group"));
  const inRange = [...used].filter((id) => id >= least && id <= most);
  const step = system ? -1 : 1;
  const start = system ? Math.min(most + 1, ...inRange) - 1 : Math.max(least - 1, ...inRange) + 1;
  const first = system ? most : least;
  // From there to the end of the range, and then from its beginning.
  for (let id = start; id >= least && id <= most; id += step) if (!used.has(id) && !isUsed(id)) yield id;
  for (let id = first; id !== start; id += step) if (!used.has(id) && !isUsed(id)) yield id;
  return undefined;
}

/** The first of them; undefined if all are used. */
export const nextId = (...which: Parameters<typeof nextIds>): number | undefined =>
  nextIds(...which).next().value;

/** The range of ids of new accounts or groups. */
function idRange(kind: "UID" | "GID", system: boolean): { least: number; most: number } {
  const users = usersRange(kind);
  if (!system) return users;
  return { least: numberOf(`SYS_${kind}_MIN`, 101), most: numberOf(`SYS_${kind}_MAX`, users.least - 1) };
}

/** The uids that no new account gets. */
export interface ReservedUids {
  has(uid: number): boolean;
  /** Called if no other is left: lets those go that nobody needs. Says why the others stay which are wanted. */
  letGo(isWanted: (uid: number) => boolean): { message: string; remedy?: Remedy | undefined } | undefined;
}

/**
 * The uid for a new account if useradd(8) would give it a reserved one; undefined if it chooses another one itself. Throws
 * JailkitError "no-id" if all others are used, with the `advice`.
 */
export function spareUid(
  system: boolean,
  isUsed: (id: number) => boolean,
  reserved: ReservedUids,
  advice: string,
): number | undefined {
  const usual = nextId("UID", system, isUsed);
  if (usual === undefined || !reserved.has(usual)) return undefined;
  const other = () => nextId("UID", system, (id) => reserved.has(id) || isUsed(id));
  const before = other();
  if (before !== undefined) return before;
  const { least, most } = idRange("UID", system);
  const stay = reserved.letGo((uid) => uid >= least && uid <= most && !isUsed(uid));
  const now = other();
  if (now !== undefined) return now;
  const message = `all uids of the range in /etc/login.defs are used, declared, or were those of accounts that are removed: ${advice}`;
  const why = stay === undefined ? "" : `; ${stay.message}`;
  throw new JailkitError("no-id", 1, `${message}${why}`, undefined, stay?.remedy);
}

/** That all ids are used, for a message. */
export const allUsed = (what: "uids" | "gids"): string =>
  `all ${what} of the range in /etc/login.defs are used`;

/** The error for an account without a uid. */
export const noUid = (advice: string): JailkitError =>
  new JailkitError("no-id", 1, `${allUsed("uids")}: ${advice}`);

/** The range of ids of users' accounts, or of their groups. Throws SystemError. */
export const usersRange = (kind: "UID" | "GID") => ({
  least: kind === "UID" ? firstUserId() : numberOf("GID_MIN", 1000),
  most: numberOf(`${kind}_MAX`, 60_000),
});

/** The permissions of a home that useradd(8) creates. Throws SystemError. */
export function newHomeMode(): number {
  return numberOf("HOME_MODE", 0o777 & ~numberOf("UMASK", 0o022));
}

/** The shell that useradd(8) gives to a new account. Throws SystemError. */
export function usualShell(): ByteString {
  return valueIn("/etc/default/useradd", "SHELL", "=") || "/bin/sh";
}

/** The directory whose files useradd(8) copies into a new home. Throws SystemError. */
export function usualSkeleton(): ByteString {
  return valueIn("/etc/default/useradd", "SKEL", "=") || "/etc/skel";
}
