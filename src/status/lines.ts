import type { ByteString } from "../../ffi/bytes.ts";
import { otherIdsFinding, otherInsideFinding, plainHome, strayAdviceIn } from "../check/other-home.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { typed } from "../cli/remedy.ts";
import { directoryCommand, jailSideRemedy, meantAdvice, orLineOut } from "../enter/remedies.ts";
import { isChrootShell } from "../jail/accounts/jailed-users.ts";
import { isLocalUser } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import type { HostAccounts } from "../system/host-accounts.ts";
import { hostUser } from "../system/name-services.ts";
import { jailOfHome } from "../system/separator.ts";
import { noShadowFault, type Shadows } from "../users/no-shadow.ts";
import { primaryGroupFault, rootsGroupFault } from "../users/primary-group.ts";
import { type AccountFault, faultOf } from "./account-fault.ts";

/**
 * Why an account that lives in a jail cannot log in by its `line` there: it contradicts the account, `real`, which shadow(5) may
 * lack, or jk_chrootsh does not find its group, of which `groups` has the names of those that are there.
 */
export function lineFault(
  jail: ByteString,
  line: PasswdEntry,
  real: PasswdEntry | undefined,
  groups: ReadonlyMap<number, ByteString>,
  host: HostAccounts & Shadows,
): AccountFault | undefined {
  const { name, gid } = line;
  const ofRoot = real && rootsGroupFault(real);
  if (ofRoot !== undefined) return faultOf("root-group", name, { ...ofRoot, message: ofRoot.what });
  const changed =
    real &&
    (otherIdsFinding(jail, line, real) ??
      otherInsideFinding(
        jail,
        line,
        real,
        (one) => plainHome(jail, one, isLocalUser) ?? strayAdviceIn(jail, one),
      ));
  if (changed !== undefined) {
    const { message, remedy } = changed;
    return { kind: "changed", subject: name, message, remedy, line };
  }
  const none = real && primaryGroupFault(real, host, (one) => groups.get(one));
  if (none !== undefined)
    return { kind: "no-group", subject: name, message: none.message, remedy: none.remedy };
  const lost = noShadowFault(real, host);
  // A file that is lost as a whole is a finding of its own.
  if (lost?.remedy !== undefined)
    return { kind: "no-shadow", subject: name, message: lost.message, remedy: lost.remedy };
  if (groups.has(gid)) return undefined;
  const message = `the group of ${quoted(name)} (gid ${gid}) is missing in ${quoted(`${jail}/etc/group`)}: no login works`;
  return { kind: "not-in-jail", subject: name, message, remedy: jailSideRemedy(jail, name) };
}

/** Why an account that a jail has a line of can log in nowhere: with that shell it needs a jail in its home. */
export function homelessFault({ name, uid, home: inside }: PasswdEntry, jail: ByteString): AccountFault[] {
  const account = answered(() => hostUser(name));
  const isIt = account?.uid === uid && isChrootShell(account.shell);
  if (account === undefined || !isIt || jailOfHome(account.home) !== undefined) return [];
  const message = `${quoted(name)} has the shell ${quoted(account.shell)} and the home ${quoted(account.home)}, which names no jail: no login works`;
  const advice = meantAdvice(jail, { name, home: inside }, isLocalUser(name));
  const remedy = typed(advice) || directoryCommand(jail, name);
  return [{ kind: "no-jail", subject: name, message, remedy, otherwise: orLineOut(jail, name) }];
}
