import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, S_IFLNK, S_IFMT } from "../../../ffi/constants.ts";
import { readLink, statIfPresent } from "../../../ffi/files.ts";
import { flattened, type PamRule, pamRules } from "../pam/rules.ts";
import { serviceText } from "../pam/service.ts";
import { judgeSucceedIf } from "../pam/succeed-if.ts";

/** The user of a session. */
export interface PamUser {
  name: ByteString;
  uid: number;
  shell: ByteString;
  groups: readonly ByteString[];
}

// Where systemd looks for units; the first match counts: systemd.unit(5).
const UNITS = [
  "/etc/systemd/system",
  "/run/systemd/system",
  "/usr/local/lib/systemd/system",
  "/usr/lib/systemd/system",
  "/lib/systemd/system",
];

/** True if systemd has a unit of this name that is not masked; undefined if there is none. */
function mayStart(unit: ByteString): boolean | undefined {
  for (const directory of UNITS) {
    const stat = statIfPresent(AT_FDCWD, `${directory}/${unit}`);
    if (stat === undefined) continue;
    if ((stat.mode & S_IFMT) === S_IFLNK) return readLink(AT_FDCWD, `${directory}/${unit}`) !== "/dev/null";
    return stat.size > 0;
  }
  return undefined;
}

/** True if pam_systemd(8) is called for the user, unless a rule of pam_succeed_if(8) skips it. Pure. */
export function callsSystemd(rules: readonly PamRule[], user: PamUser): boolean {
  let jumped = 0;
  for (const { control, module, arguments: words } of rules) {
    if (jumped > 0) jumped--;
    else if (module === "pam_systemd.so") return true;
    else if (module === "pam_succeed_if.so" && judgeSucceedIf(user, words).result === "success")
      jumped = Number(/\bsuccess=(\d+)\b/.exec(control)?.[1] ?? 0);
  }
  return false;
}

/**
 * True if a session of this PAM service starts the user's own systemd manager on the host: it is installed, not masked
 * for the user, and pam_systemd(8) is called. Throws SystemError.
 */
export function startsUserManager(user: PamUser, service: ByteString): boolean {
  if (!(mayStart(`user@${user.uid}.service`) ?? mayStart("user@.service") ?? false)) return false;
  return callsSystemd(flattened(pamRules("session", service, serviceText)), user);
}
