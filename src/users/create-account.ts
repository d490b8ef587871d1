import type { ByteString } from "../../ffi/bytes.ts";
import type { SystemError } from "../../ffi/error.ts";
import { holdingSignals } from "../../ffi/interrupts.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { answered, describeError, JailkitError, problemFrom } from "../cli/error.ts";
import { stopIfInterrupted } from "../cli/interrupt.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { updateJailAccounts } from "../jail/accounts/change-accounts.ts";
import { lookUp } from "../jail/fs/look.ts";
import { isNoRoom, noRoom, noRoomSaid } from "../jail/fs/no-room.ts";
import { temporaryName } from "../jail/fs/place.ts";
import { hostPath, isDirectory, type JailRoot, withDirectory } from "../jail/fs/walk.ts";
import { removeWholeHome } from "../jail/fs/whole-home.ts";
import { makeDirectories, removePath } from "../jail/fs/write.ts";
import { withHostAccounts } from "../jail/record/jail-lock.ts";
import { addAccount, addGroup, type UseraddOptions } from "../system/account-tools.ts";
import { groupByGid, groupByName, type PasswdEntry } from "../system/accounts.ts";
import { writeAccess } from "./access.ts";
import { forgetName, recall } from "./account-record.ts";
import type { AccountRun } from "./account-run.ts";
import { addToJail } from "./change-account.ts";
import { removeLogin } from "./change-login.ts";
import { groupsOf } from "./jailing.ts";
import { removeKeysOfEarlier } from "./kernel-objects.ts";
import { giveMount, takeMountBack } from "./mounted-home.ts";
import { DEFAULT_GROUP, type NewAccount, type NewAccountValues } from "./new-account.ts";
import { BAD_JAIL } from "./open-jail.ts";
import { inPlaceOfOther, otherHomeAdvice } from "./own-home.ts";
import { CHROOT_SHELL, planJailing } from "./plan.ts";

/** Uids that are tried for one account: users who work together may have those of many who are gone. */
const MOST_UIDS = 16;

/** Shows the steps of createAccount. */
export function describeCreation({ name, home, shell, access, plan }: NewAccount, run: AccountRun): void {
  run.jailShell = shell;
  run.done(`would have created the account ${quoted(name)} with the home ${quoted(home)}`);
  for (const join of access.joins) run.done(`would have added it to the group ${quoted(join.name)}`);
  for (const line of plan.lines) run.done(line);
  for (const line of plan.warnings) run.warn(line);
}

/**
 * Creates an account, its lines in the jail, its keys and its section of jk_lsh.ini. Returns it, and lines about keys and
 * section. If a step fails, all of it is removed again, also the home if it is new. Throws JailkitError.
 */
export function createAccount(
  account: NewAccount,
  values: NewAccountValues,
  run: AccountRun,
): { user: PasswdEntry; accessLines: ByteString[] } {
  const { name, home, group, shell } = account;
  run.jailShell = shell;
  const accessLines: ByteString[] = [];
  if (group === DEFAULT_GROUP && groupByName(group) === undefined) {
    const isNew = withHostAccounts(() => {
      if (groupByName(group) !== undefined) return false;
      addGroup(group);
      return true;
    });
    if (isNew) run.done(`created the group ${quoted(group)}`);
  }
  const user = holdingSignals(() => {
    const done = (line: ByteString) => {
      accessLines.push(line);
      run.done(line);
    };
    return createWithUid(account, values, { done, warn: (line) => run.warn(line) });
  });
  run.done(`created the account ${quoted(name)} with the home ${quoted(home)}`);
  return { user, accessLines };
}

function useraddOptions({ group, access, password }: NewAccount, values: NewAccountValues): UseraddOptions {
  const { noCreateHome, uidInstead } = values;
  const uid = values.uid ?? uidInstead?.();
  const joins = access.joins.map(({ name }) => name).join(",");
  const given: readonly [letter: string, value: ByteString | boolean | undefined][] = [
    ["c", values.comment],
    ["e", values.expiredate],
    ["f", values.inactive],
    ["g", group],
    ["G", joins === "" ? undefined : joins],
    ["k", noCreateHome ? undefined : values.skel],
    ["p", password],
    ["u", uid === undefined ? undefined : `${uid}`],
    ["m", !noCreateHome],
    ["M", noCreateHome],
    ["o", values.nonUnique],
    ["r", values.system],
  ];
  return new Map(
    given.flatMap(([letter, value]) => (value === undefined || value === false ? [] : [[letter, value]])),
  );
}

/** The same, with a uid that nobody asked for: another one if the keys of an earlier account stay, which tells nothing of that. */
function createWithUid(...[account, values, { done, warn }]: Parameters<typeof createJailed>): PasswdEntry {
  for (let tries = 1; ; tries++) {
    stopIfInterrupted("no account was created; run this again");
    const lines: ByteString[] = [];
    const tell = () => lines.forEach(done);
    try {
      const user = createJailed(account, values, { done: (line) => lines.push(line), warn });
      tell();
      return user;
    } catch (error) {
      const stay = error instanceof JailkitError && error.code === "left-uid";
      if (stay && values.uid === undefined && tries < MOST_UIDS) continue;
      tell();
      throw error;
    }
  }
}

function createJailed(
  account: NewAccount,
  values: NewAccountValues,
  run: Pick<AccountRun, "done" | "warn">,
): PasswdEntry {
  const { root, name, home, jailHome, shell, access, mount } = account;
  const wasThere = lookUp(root, jailHome) !== undefined;
  let user: PasswdEntry | undefined;
  let inJail = false;
  try {
    makeDirectories(root, directoryOf(jailHome), () => ({ mode: 0o755, uid: 0, gid: 0 }));
    // What cannot be read gives nobody a shell later.
    if (answered(() => recall(root, name)) !== undefined) forgetName(root, name);
    // Its line in the jail, which has the same uid, would keep its shell and its groups there.
    if (readJailAccounts(root).userByName(name) !== undefined)
      updateJailAccounts(root, (accounts) => accounts.removeUser(name));
    // The uid is chosen under the lock: another tool may have taken it since the plan, or left a home with it.
    user = withHostAccounts(() => addAccount(name, home, CHROOT_SHELL, useraddOptions(account, values)));
    removeKeysOfEarlier(user, run.done);
    giveMount(root, jailHome, user, mount);
    const groups = groupsOf(user);
    const [accounts, corrects] = [readJailAccounts(root), access.correctsGroups];
    const [jail, hostGroup] = [root.path, groupByGid];
    const plan = planJailing({ user, groups, corrects, jail, accounts, hostGroup, shell });
    addToJail(root, plan.entry, name, plan.groups, run);
    inJail = plan.entry !== undefined;
    writeAccess({ root, user, home: jailHome }, access, run);
    return user;
  } catch (error) {
    const why =
      user === undefined ? (whyNoAccount(error) ?? whyNoHome(root, directoryOf(jailHome), error)) : error;
    if (user !== undefined) removeAgain(account, user, run);
    // First, to free room. If another account has the same uid, some of its files may be in the home by now.
    const left = wasThere ? undefined : lookUp(root, jailHome);
    const stays = left !== undefined && (values.nonUnique || !removedHome(account, run));
    if (inJail) updateJailAccounts(root, (accounts) => accounts.removeUser(name));
    const full = noRoom(why, root.path, { left: [], progress: "no account was created" });
    if (user === undefined && full === undefined && !stays) throw error;
    const again = full === undefined ? `; the account ${quoted(name)} was removed again` : "";
    const rest = stays ? `, its home ${quoted(home)} was left` : "";
    const status = error instanceof JailkitError ? error.exitStatus : BAD_JAIL;
    const message = `${full?.message ?? describeError(why)}${again}${rest}`;
    const { code, remedy } = full ?? problemFrom(why, "not-jailed", "");
    throw new JailkitError(code, status, message, undefined, remedy);
  }
}

/** Removes a home that is new. True: it is gone. */
function removedHome({ root, name, jailHome }: NewAccount, run: Pick<AccountRun, "warn">): boolean {
  const removal = { name, examine: () => undefined, watch: () => ({}), warn: run.warn.bind(run) };
  withDirectory(root, jailHome, (home) => removeWholeHome(root, jailHome, home, removal));
  return true;
}

/** Removes an account that cannot be in its jail. A file system that is mounted at its home is as it was, if that can be. */
function removeAgain(
  { root, jailHome, mount }: NewAccount,
  user: PasswdEntry,
  run: Parameters<typeof removeLogin>[1],
): void {
  removeLogin(user, run);
  if (mount !== undefined) answered(() => takeMountBack(root, jailHome, mount));
}

/** A warning that a home existed and belongs to another user: useradd(8) does not change it. */
export function foreignHome({ root, jailHome }: NewAccount, user: PasswdEntry): ByteString | undefined {
  const stat = lookUp(root, jailHome)?.stat;
  if (stat === undefined || (stat.uid === user.uid && isDirectory(stat))) return undefined;
  const path = hostPath(root, jailHome);
  const what = `${quoted(path)} existed before and belongs to uid ${stat.uid}, not to the user: logins are refused`;
  return `${what}; ${inPlaceOfOther(root, user, jailHome, otherHomeAdvice(user, root, jailHome)).advice}`;
}

/** useradd(8) does not report why it cannot create a home: the error of creating something there, if that fails too. */
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

/** The same of the account files, of which useradd(8) prints the error. */
const whyNoAccount = (error: unknown): SystemError | undefined =>
  error instanceof JailkitError ? noRoomSaid(error.message, "useradd", "/etc/passwd") : undefined;
