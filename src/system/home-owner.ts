import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, S_IFDIR, S_IFMT } from "../../ffi/constants.ts";
import { type Stat, statIfPresent } from "../../ffi/files.ts";
import { normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { answered, describeError, isReported } from "../cli/error.ts";
import { answeredUser } from "./accounts.ts";
import { localUsers } from "./flat-accounts.ts";
import { livesIn } from "./separator.ts";

/** An account by its name, with its home on the host. */
interface Home {
  readonly name: ByteString;
  readonly home: ByteString;
}

/** The accounts of the host with a uid. Several of /etc/passwd may share it; name services report one of them. */
function accountsOf(uid: number): readonly Home[] {
  const local = localUsers().filter((one) => one.uid === uid);
  const real = answeredUser(uid);
  return real === undefined ? local : [real, ...local];
}

type InPlace = Pick<Stat, "uid" | "mode">;

/** Whether what is in the place of a home is a directory that another user than `own`, if that is given, may miss. */
export const isSomebodys = ({ uid, mode }: InPlace, own = 0): boolean =>
  ![0, own].includes(uid) && (mode & S_IFMT) === S_IFDIR;

/** The account that such a directory belongs to, by its name; undefined for none; `uid N` if a name service is silent. */
export function livingOwner({ uid }: InPlace): ByteString | undefined {
  const found = answered(() => ({ user: answeredUser(uid) }));
  return found === undefined ? `uid ${uid}` : found.user?.name;
}

/** `keep`: what to do about a directory of `owner` in the place of a home, if it is not the home of that, which somebody has moved. */
export const unlessHomeOf = (owner: ByteString, keep: string): string =>
  `if that is the home of ${quoted(owner)}, to whom it belongs, move it to its place; if not, ${keep}`;

/**
 * What to do about such a directory: `anew` makes a home in its place. No program should do that: it may be the home of `owner`, or of
 * the same user, whose uid was changed, to whom `give` gives it back.
 */
export function unlessSomebodys(owner: ByteString | undefined, give: string, anew: string): string {
  const keep = keptAnew(anew);
  return owner === undefined
    ? `if the uid of the same user was changed: ${give}; if not, ${keep}`
    : unlessHomeOf(owner, keep);
}

/** The same of what nobody may miss. */
export const keptAnew = (anew: string): string => `keep it under another name, and create a new one: ${anew}`;

type AccountsOf = (uid: number) => readonly Home[];

/** The account that owns what is its home, or in its home, and its home without detours; not `own`, a name. */
function homeAround(path: ByteString, others: AccountsOf, own?: ByteString): Home | undefined {
  const uid = statIfPresent(AT_FDCWD, path)?.uid;
  if (uid === undefined || uid === 0) return undefined;
  for (const { name, home } of [...accountsOf(uid), ...others(uid)]) {
    if (name === own) continue;
    const plain = normalPath(home);
    const around = plain !== "/" && (path === plain || path.startsWith(`${plain}/`));
    if (around && !livesIn(path, home)) return { name, home: plain };
  }
  return undefined;
}

/**
 * Why root should not take a directory of the host from its owner, printable, and whose home that is; undefined if root may.
 * `home` is undefined if it is unknown, because a name service does not answer. An account that lives in the jail at `path`
 * does not count, and neither does the one with the name `own`. `others`: accounts of a uid in a jail.
 */
export function whoseHome(
  path: ByteString,
  others: AccountsOf = () => [],
  own?: ByteString,
): { why: string; home: ByteString | undefined } | undefined {
  try {
    const around = homeAround(path, others, own);
    return around && { why: `it is in the home of ${quoted(around.name)}`, home: around.home };
  } catch (error) {
    if (!isReported(error)) throw error;
    return { why: `it may be in the home of its owner (${describeError(error)})`, home: undefined };
  }
}
