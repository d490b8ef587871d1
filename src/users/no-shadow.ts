import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { operands } from "../cli/shell-word.ts";
import { isLocalUser } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import type { hostShadow } from "../system/host-accounts.ts";
import { hostUser } from "../system/name-services.ts";
import { countingShadow, MISSING } from "../system/shadow.ts";

/** Where entries of shadow(5) are looked up. */
export interface Shadows {
  shadowOf: ReturnType<typeof hostShadow>;
}

/** What is said where shadow(5) lacks root, too. */
export const SHADOW_LOST =
  "/etc/shadow is missing, or has lost its lines, also that of root: no password works, and PAM lets nobody in; put it back, as from /etc/shadow-";

/** True if shadow(5) has not even root, though passwd(5) says so: the file is lost, and no command makes its lines again. */
export function isShadowLost(shadows: Shadows): boolean {
  const root = hostUser(0);
  // A service that does not answer says nothing of the file.
  const counts = root && answered(() => countingShadow(root, true, (one) => shadows.shadowOf(one)));
  return counts === MISSING;
}

/**
 * Why pam_unix(8) lets nobody in as an account of /etc/passwd: shadow(5) lacks it. Undefined if it does not. No password matches
 * `*`, for which sshd accepts keys also without PAM.
 */
export function noShadowFault(account: Pick<PasswdEntry, "name" | "password"> | undefined, shadows: Shadows) {
  if (account === undefined) return undefined;
  const { name } = account;
  const counts = countingShadow(account, true, (one) => shadows.shadowOf(one));
  if (counts !== MISSING || !isLocalUser(name)) return undefined;
  // usermod(8) would write the password into passwd(5), where it counts also when the file is back.
  if (isShadowLost(shadows)) return { code: "no-shadow", message: SHADOW_LOST } as const;
  const user = operands(name);
  const remedy = `usermod -p '*' ${user}` as const;
  const lost = `${quoted(name)} is not in shadow(5), though passwd(5) says so: PAM lets nobody in, or, where pam_unix(8) has broken_shadow, a key alone; its password and its expiry are lost`;
  const message = `${lost}; make a line without a password with: ${remedy}; or, for logins by a password: passwd ${user}`;
  return { code: "no-shadow", message, remedy } as const;
}
