import type { ByteString } from "../../ffi/bytes.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { readJailAccounts, updateJailAccounts } from "../jail/accounts/accounts.ts";
import { lookUp } from "../jail/fs/look.ts";
import { isNoRoom, noRoom } from "../jail/fs/no-room.ts";
import { temporaryName } from "../jail/fs/place.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { makeDirectories, removePath, removeTree } from "../jail/fs/write.ts";
import { addAccount, removeAccount, type UseraddOptions } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { addToJail } from "./change-account.ts";
import { groupsOf } from "./jailing.ts";
import { BAD_JAIL } from "./open-jail.ts";
import { CHROOT_SHELL, planJailing } from "./plan.ts";

/** An account that is to be: `home` as passwd(5) has it, `jailHome` and `shell` as the jail sees them. */
export interface NewAccount {
  readonly name: ByteString;
  readonly home: ByteString;
  readonly jailHome: ByteString;
  readonly shell: ByteString;
}

/**
 * Makes an account and its lines in the jail, and calls `more`. Where one fails, all of it is taken back, the home too if
 * it was not there before. Throws JailkitError.
 */
export function createJailed(
  root: JailRoot,
  account: NewAccount,
  useradd: UseraddOptions,
  more: (user: PasswdEntry) => void,
): PasswdEntry {
  const { name, home, jailHome, shell } = account;
  const wasThere = lookUp(root, jailHome) !== undefined;
  let user: PasswdEntry | undefined;
  let inJail = false;
  try {
    makeDirectories(root, directoryOf(jailHome), () => ({ mode: 0o755, uid: 0, gid: 0 }));
    user = addAccount(name, home, CHROOT_SHELL, useradd);
    const plan = planJailing({
      user,
      groups: groupsOf(user),
      jail: root.path,
      accounts: readJailAccounts(root),
      shell,
      move: false,
      processes: [],
    });
    addToJail(root, plan.entry, name, plan.groups);
    inJail = plan.entry !== undefined;
    more(user);
    return user;
  } catch (error) {
    const why = user === undefined ? whyNoHome(root, directoryOf(jailHome), error) : error;
    if (user !== undefined) removeAccount(name);
    // First what frees room. Where somebody else has the uid too, something of theirs may be in it by now.
    const left = wasThere ? undefined : lookUp(root, jailHome);
    const stays = left !== undefined && (useradd.has("o") || !removeTree(root, jailHome, left.stat));
    if (inJail) updateJailAccounts(root, (accounts) => accounts.removeUser(name));
    const full = noRoom(why, root.path, { left: [], progress: "no account was made" });
    if (user === undefined && full === undefined && !stays) throw error;
    const again = full === undefined ? `; the account ${quoted(name)} was removed again` : "";
    const rest = stays ? `, its home ${quoted(home)} was left` : "";
    const status = error instanceof JailkitError ? error.exitStatus : BAD_JAIL;
    throw new JailkitError("not-jailed", status, `${full?.message ?? describeError(why)}${again}${rest}`);
  }
}

/** useradd(8) does not tell why it cannot make a home: the error of making something there, if that fails as well. */
function whyNoHome(root: JailRoot, above: ByteString, error: unknown): unknown {
  const path = `${above === "/" ? "" : above}/${temporaryName()}`;
  try {
    makeDirectories(root, path, () => ({ mode: 0o700, uid: 0, gid: 0 }));
    const made = lookUp(root, path);
    if (made !== undefined) removePath(root, path, made.stat);
    return error;
  } catch (reason) {
    return isNoRoom(reason) ? reason : error;
  }
}
