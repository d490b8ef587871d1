import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import { usualHome } from "../../jail/accounts/home-place.ts";
import { asidePath } from "../../jail/fs/home-aside.ts";
import { withTree } from "../../jail/fs/look.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { localUsers } from "../../system/flat-accounts.ts";
import { below } from "../../system/mountinfo.ts";
import { NO_ACCESS } from "../../users/access.ts";
import { HOLDS_HOME, homeAlong } from "../../users/home-along.ts";
import { homeFor } from "../../users/jail-side.ts";
import { requireHomeToMove } from "../../users/jailing.ts";
import { linkedHome } from "../../users/own-home.ts";
import { type FaultText, faultText } from "../change.ts";
import type { DeclaredUser } from "../model.ts";
import { accessOf, DECLARED } from "./intent.ts";

/** Why a home that is missing does not move: another account has it, too, such as /nonexistent, which nobody should create. */
function lostHomeFault({ name, uid, home }: PasswdEntry) {
  const isSame = (one: ByteString) => normalPath(one) === normalPath(home);
  const other = localUsers().find((one) => one.name !== name && one.uid !== uid && isSame(one.home));
  if (other === undefined) return undefined;
  const own = usualHome(name);
  const remedy: Remedy = isSame(own) ? "" : `usermod -d ${shellWord(own)} ${operands(name)}`;
  const how = remedy === "" ? `give ${quoted(other.name)} another home` : `give it one of its own: ${remedy}`;
  const message = `has the home ${quoted(home)}, which does not exist, and is that of ${quoted(other.name)}, too: ${how}`;
  return { code: "not-their-home", message, remedy: remedy || undefined } as const;
}

/**
 * Why the home of an account in no jail would not move, as that of many system accounts, and one that holds the home of
 * another account or is a symbolic link: known before it gets rights.
 */
export function hostHomeFault(account: PasswdEntry, jail: ByteString) {
  const { home, uid } = account;
  const isOutside = below(normalPath(home), jail) === undefined;
  const linked = isOutside ? withTree((host) => linkedHome(account, host, normalPath(home))) : undefined;
  if (linked !== undefined) return { code: "not-their-home", ...linked } as const;
  const stat = isOutside ? statIfPresent(AT_FDCWD, home, true) : undefined;
  if (stat === undefined) return isOutside ? lostHomeFault(account) : undefined;
  if (stat.uid === uid) {
    const along = homeAlong(account, normalPath(home));
    return along === undefined ? undefined : ({ code: HOLDS_HOME, message: along } as const);
  }
  const message = `is an account of this machine, whose home ${quoted(home)} does not belong to it (uid ${uid}) and is not moved: declare another name`;
  return { code: "not-their-home", message } as const;
}

/** Why the home of an account in no jail would not move, if it is missing; undefined also if an interrupted run has it. Throws JailkitError. */
export function missingHome(
  account: PasswdEntry,
  { jail, shell, groups }: Pick<DeclaredUser, "jail" | "shell" | "groups">,
): FaultText | undefined {
  const from = normalPath(account.home);
  const isAside = statIfPresent(AT_FDCWD, asidePath(from)) !== undefined;
  if (isAside || below(from, jail) !== undefined) return undefined;
  // A group that is not there is an error of its own.
  const access = answered(() => accessOf({ groups, keys: undefined })) ?? NO_ACCESS;
  const move = { user: account, jailHome: homeFor(account, jail) };
  try {
    requireHomeToMove(move, from, { path: jail }, { shell, access }, DECLARED);
    return undefined;
  } catch (error) {
    if (error instanceof JailkitError && error.code === "no-home") return faultText(error);
    throw error;
  }
}
