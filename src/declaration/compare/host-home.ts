import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { withTree } from "../../jail/fs/look.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { below } from "../../system/mountinfo.ts";
import { HOLDS_HOME, homeAlong } from "../../users/home-along.ts";
import { linkedHome } from "../../users/own-home.ts";

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
  if (stat === undefined) return undefined;
  if (stat.uid === uid) {
    const along = homeAlong(account, normalPath(home));
    return along === undefined ? undefined : ({ code: HOLDS_HOME, message: along } as const);
  }
  const message = `is an account of this machine, whose home ${quoted(home)} does not belong to it (uid ${uid}) and is not moved: declare another name`;
  return { code: "not-their-home", message } as const;
}
