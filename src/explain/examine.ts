import type { ByteString } from "../../ffi/bytes.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import type { Access } from "../users/access.ts";
import type { AccountRun } from "../users/account-run.ts";
import { warnOfLogin } from "../users/jailing.ts";
import { inheritedPolicy } from "../users/login-needs.ts";
import { homeFault } from "./home-fault.ts";
import { noLoginLines } from "./no-login.ts";

/** An account that was put into a jail, or would be. */
interface Examined {
  readonly root: JailRoot;
  readonly access: Access;
  /** The account as it would be, in a dry run; for a new one, `locked`. */
  readonly planned?: Parameters<typeof warnOfLogin>[3];
  /** It is new, with this shell, and may get the rights of an earlier account of its name. */
  readonly inherits?: ByteString | undefined;
  /** Why jk_chrootsh refuses its home, if it is not there yet. */
  readonly home?: () => ByteString | undefined;
  /** What others tell, or what does not count for what was done. */
  readonly except?: readonly ("login" | "doors" | "home")[];
}

/**
 * Warns of all that keeps an account out of its jail, or lets it out, after it was jailed or created: every tool that does one of
 * these tells the same. Throws SystemError and JailkitError for what cannot be looked at.
 */
export function examineLogin(user: PasswdEntry, examined: Examined, run: AccountRun): void {
  const { root, access, planned, inherits, home = () => homeFault(user), except = [] } = examined;
  if (!except.includes("login")) warnOfLogin(user, access, run, planned);
  const joins = access.joins.map(({ gid }) => gid);
  const there = { ...user, home: run.home ?? user.home };
  const doors = except.includes("doors") ? [] : noLoginLines(root, there, joins, run.jailShell);
  const fault = except.includes("home") ? undefined : home();
  const inherited = inherits && inheritedPolicy({ root, name: user.name, access, shell: inherits });
  for (const line of [...doors, fault, inherited]) if (line !== undefined) run.warn(line);
}
