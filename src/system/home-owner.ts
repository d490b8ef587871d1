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

/** The account whose directory is in the place of the home of another one, by its name; `uid N` if a name service is silent. */
export function livingOwner(
  stat: Pick<Stat, "uid" | "mode"> | undefined,
  own: number,
): ByteString | undefined {
  if (stat === undefined || [0, own].includes(stat.uid) || (stat.mode & S_IFMT) !== S_IFDIR) return undefined;
  const found = answered(() => ({ user: answeredUser(stat.uid) }));
  return found === undefined ? `uid ${stat.uid}` : found.user?.name;
}

/**
 * What to do about a directory of somebody else in the place of a home: `keep` it, if nobody may miss it. No program should do that:
 * it may be the home of `owner`, which somebody has moved; or of the same user, whose uid was changed, which `give` gives back.
 */
export const unlessHomeOf = (owner: ByteString | undefined, give: string, keep: string): string =>
  owner === undefined
    ? `if the uid of the same user was changed: ${give}; if not, ${keep}`
    : `if that is the home of ${quoted(owner)}, to whom it belongs, move it to its place; if not, ${keep}`;

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
