import type { ByteString } from "../../../ffi/bytes.ts";
import { isMissing } from "../../../ffi/files.ts";
import { display, quoted } from "../../cli/display.ts";
import { errorOf, JailkitError } from "../../cli/error.ts";
import { updateJailAccounts } from "../../jail/accounts/change-accounts.ts";
import { isLimitedShell } from "../../jail/accounts/jailed-users.ts";
import { mendMoves } from "../../jail/fs/home-moves.ts";
import { lookUp } from "../../jail/fs/look.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { withHostAccounts } from "../../jail/record/jail-lock.ts";
import { openNamedJail } from "../../jail/record/named-jail.ts";
import { isMember, leaveGroup, setComment } from "../../system/account-tools.ts";
import { groupByName, type PasswdEntry } from "../../system/accounts.ts";
import { closeFirst } from "../../system/exchange.ts";
import { localGroups } from "../../system/flat-accounts.ts";
import { askedFacts } from "../../system/host-accounts.ts";
import { hostUser } from "../../system/name-services.ts";
import { changeLogin, thenEnding } from "../../users/change-login.ts";
import { keysBeside, readAllKeys, removeKeys, setKeyOptions } from "../../users/declared-keys.ts";
import { requireGroups } from "../../users/groups.ts";
import { leaveJailGroups, putMember } from "../../users/jail-side.ts";
import type { KeyPlace } from "../../users/key-place.ts";
import { byStrictness, replacing } from "../../users/key-strictness.ts";
import { writeKeys } from "../../users/keys.ts";
import { requireOneHome } from "../../users/one-home.ts";
import { CHROOT_SHELL } from "../../users/plan.ts";
import { type Change, type FaultText, partText } from "../change.ts";
import { keyHome, withKeyPlace, withKeysElsewhere } from "../compare/look-keys.ts";
import { policyKeys } from "../compare/look-policy.ts";
import { isExchangeable } from "../compare/taken-out.ts";
import type { UserWork } from "../compare/work.ts";
import type { DeclaredUser } from "../model.ts";
import { sumOf, withSums } from "../once.ts";
import { putPolicy, removePolicy } from "./policy.ts";
import { type Apart, failureIn, hearing, type Said, type Step, type Work } from "./steps.ts";

type Way = NonNullable<Apart["alone"]>;

/** "1 key", "2 keys". */
export const keyCount = (count: number): string => (count === 1 ? "1 key" : `${count} keys`);

/** The account of a user. Throws JailkitError if there is none. */
export function requireUser(name: ByteString): PasswdEntry {
  const user = hostUser(name);
  if (user !== undefined) return user;
  throw new JailkitError("no-such-user", 1, `user ${display(name)} does not exist any more`);
}

/** What takes something away from a user, each by itself: it rests on nothing that gives something, and on no other of these. */
export function takingWays(
  { declared, changes, meanwhile = new Map() }: UserWork,
  rootOf: () => JailRoot,
): Readonly<Record<"rules" | "options" | "shell" | "loginShell" | "newKeys", Way>> {
  const { name, shell, jail } = declared;
  return {
    rules: ({ what, action, takes }, hasFailed) => {
      if (hasFailed) return undefined;
      const wanted = policyKeys(declared.policy ?? [], shell);
      const isWhole = takes === "all";
      return ({ steps }) => {
        if (isWhole && action === "remove")
          steps.push(...removePolicy(rootOf(), name, isLimitedShell(shell)));
        else steps.push(putPolicy(rootOf(), name, shell, isWhole ? wanted : meanwhile));
        if (!isWhole) steps.push(partText({ what }));
      };
    },
    options: (_, hasFailed) =>
      hasFailed
        ? undefined
        : ({ steps }) => {
            const user = requireUser(name);
            const limit = (place: KeyPlace) => {
              const { less, unclear } = byStrictness(readAllKeys(place).text, declared.keys ?? []);
              const limited = less.length === 0 ? 0 : setKeyOptions(place, less);
              if (limited > 0)
                steps.push(`changed the options of ${keyCount(limited)} in its authorized_keys`);
              const others = new Set(unclear.map(({ key }) => key));
              const gone = others.size === 0 ? 0 : removeKeys(place, others);
              if (gone > 0)
                steps.push(
                  `removed ${keyCount(gone)} from its authorized_keys, whose options allow less and more`,
                );
              requireNoneBeside(place);
            };
            withKeysElsewhere(declared, user, limit);
            withKeyPlace(declared, user, rootOf, limit);
          },
    newKeys:
      ({ takes }) =>
      ({ steps }) => {
        const going = changes.flatMap(({ what, action, items }) =>
          what === "keys" && action === "remove" ? items : [],
        );
        const add = (place: KeyPlace) =>
          writeKeys(place, replacing(readAllKeys(place).text, declared.keys ?? [], new Set(going))).added;
        const count = withKeyPlace(declared, requireUser(name), rootOf, add) ?? 0;
        if (count > 0) steps.push(`added ${keyCount(count)} to its authorized_keys, in place of what goes`);
        if (takes === "part") steps.push(partText({ what: "keys" }));
      },
    shell: ({ what }) =>
      what !== "shell"
        ? undefined
        : ({ steps }) => {
            const isChanged = updateJailAccounts(rootOf(), (accounts) =>
              accounts.changeUser(name, { shell }),
            );
            if (isChanged)
              steps.push(`gave ${quoted(name)} the shell ${quoted(shell)} in the jail's etc/passwd`);
          },
    loginShell: () => (said) => {
      const user = requireUser(name);
      const { home } = user;
      changeLogin(user, { home, shell: CHROOT_SHELL, groups: [] }, hearing(said));
      said.steps.push(
        `the account ${quoted(name)} has the shell ${quoted(CHROOT_SHELL)}; its jail is ${quoted(jail)}`,
      );
    },
  };
}

/**
 * Throws JailkitError "unsafe-parent" if keys that are not in a home of the host may come back: others than root can have hidden
 * or exchanged it.
 */
export function requireNotHidden(home: ByteString): void {
  if (!isExchangeable(home)) return;
  const message = `the keys that were declared are not in ${quoted(home)}, which others than root can exchange, and may come back with the home: ${closeFirst(home)}`;
  throw new JailkitError("unsafe-parent", 1, message);
}

/** Removes the keys with some sums from a home, if it is there, and returns how many. Throws JailkitError if some may be left. */
export function removeFrom(
  place: KeyPlace,
  sums: readonly ByteString[],
  { steps }: Pick<Said, "steps">,
): number {
  requireOneHome(place.root, place.home);
  if (lookUp(place.root, place.home) === undefined) return 0;
  const count = removeKeys(place, withSums(sums));
  if (count > 0) steps.push(`removed ${keyCount(count)} from its authorized_keys`);
  requireNoneBeside(place);
  return count;
}

/** Throws JailkitError if keys in another file may be valid. */
function requireNoneBeside(place: KeyPlace): void {
  const fault = keysBeside(place);
  if (fault !== undefined) throw fault;
}

const NOT_FOUND =
  "the keys that were declared are not in its authorized_keys any more, and may come back: run this again";

/**
 * Removes keys from where an account has them: its jail, which `rootOf` opens, or the one that it is in still. Throws
 * JailkitError if they may be left.
 */
export function takeKeys(
  declared: DeclaredUser,
  items: readonly ByteString[],
  said: Said,
  rootOf: () => JailRoot,
): void {
  const user = requireUser(declared.name);
  // Of keys that could not be read before, only the sums are known.
  const sums = items.flatMap((item) => [item, sumOf(item)]);
  const remove = (place: KeyPlace) => removeFrom(place, sums, said);
  const there = withKeysElsewhere(declared, user, remove) ?? 0;
  const count = there + (withKeyPlace(declared, user, rootOf, remove) ?? 0);
  if (count > 0) return;
  requireNotHidden(keyHome(declared, user));
  throw new JailkitError("keys-not-found", 1, NOT_FOUND);
}

/**
 * Takes an account out of groups, on this machine and in the jail, each whatever becomes of the others, and ends connections to
 * sshd(8) that began with them.
 */
export function leaveGroups(
  user: PasswdEntry,
  groups: readonly ByteString[],
  said: Said,
  root: JailRoot | undefined,
): void {
  const { name } = user;
  const gids = new Set(askedFacts.groupsOf(user));
  thenEnding(user, hearing(said), () =>
    leaveThose(name, groups, said, (group) => {
      const found = groupByName(group);
      // Who has lost the account in between may be a member in the jail still.
      return found !== undefined && isMember(user, found, gids);
    }),
  );
  if (root !== undefined) attempt(said, root.path, () => leaveJailGroups(root, name, groups));
}

/** The same for a name without an account. `jail`: the path of its jail. */
export function leaveByName(
  name: ByteString,
  groups: readonly ByteString[],
  said: Said,
  jail: ByteString,
): void {
  leaveThose(name, groups, said, (group) =>
    localGroups().some((one) => one.name === group && one.members.includes(name)),
  );
  if (isMissing(jail)) return;
  attempt(said, jail, () => {
    using root = openNamedJail(jail);
    leaveJailGroups(root, name, groups);
  });
}

function attempt({ errors }: Said, place: ByteString, work: () => void): void {
  try {
    work();
  } catch (error) {
    errors.push(failureIn(place, error));
  }
}

/** Takes a name out of those groups of this machine that it is in, and tells whether it was in any. */
function leaveThose(
  name: ByteString,
  groups: readonly ByteString[],
  said: Said,
  isIn: (group: ByteString) => boolean,
): boolean {
  const { steps, errors } = said;
  const before = steps.length + errors.length;
  for (const group of groups)
    attempt(said, "/etc", () => {
      if (!isIn(group)) return;
      withHostAccounts(() => leaveGroup(name, group));
      steps.push(`took ${quoted(name)} out of the group ${quoted(group)}`);
    });
  return steps.length + errors.length > before;
}

/** Gives an account and its line in the jail the declared comment. */
export function changeComment({ name, comment = "" }: DeclaredUser, { steps }: Said, root: JailRoot): void {
  withHostAccounts(() => setComment(name, comment));
  updateJailAccounts(root, (accounts) => accounts.changeUser(name, { gecos: comment }));
  steps.push(`the account ${quoted(name)} has the comment ${quoted(comment)}`);
}

/** Makes an account a member of groups, on this machine first, where they limit it, and in the jail, if that can be used. */
export const joinGroups =
  (name: ByteString, root: JailRoot | undefined): Way =>
  ({ items }) =>
  (said) => {
    const { steps } = said;
    const user = requireUser(name);
    const { home, shell } = user;
    const groups = requireGroups(items.join(","));
    changeLogin(user, { home, shell, groups }, hearing(said));
    steps.push(`made ${quoted(name)} a member of ${groups.map((group) => quoted(group.name)).join(", ")}`);
    if (root === undefined) return;
    updateJailAccounts(root, (accounts) => {
      for (const group of groups) putMember(accounts, group, name, (line) => steps.push(line));
    });
  };

/** Takes an account out of groups on this machine, where its jail cannot be used. */
export const leaveOnHost =
  (name: ByteString): Way =>
  ({ items }) =>
  (said) =>
    leaveGroups(requireUser(name), items, said, undefined);

/** Opens homes again that runs which were killed have closed. */
export const openHomes =
  (homes: readonly ByteString[]): Work =>
  ({ steps }) => {
    for (const home of homes) steps.push(...mendMoves({ only: home }));
  };

/** The steps for a user whose jail cannot be opened: what is on this machine, or in another jail. `why`: why it cannot. */
export function hostSteps(user: UserWork, why: FaultText): Step[] {
  const { declared } = user;
  const { name } = declared;
  const noRoot = () => {
    throw errorOf(why);
  };
  const { loginShell, rules, options } = takingWays(user, noRoot);
  const groups: Way = (change, hasFailed) => async (said) => {
    if (change.action === "remove") leaveGroups(requireUser(name), change.items, said, undefined);
    else await joinGroups(name, undefined)(change, hasFailed)?.(said);
    if (change.takes === "all") said.errors.push(why);
  };
  const keys: Way = (change, hasFailed) =>
    change.action === "remove"
      ? (said) => takeKeys(declared, change.items, said, noRoot)
      : change.action === "change"
        ? options(change, hasFailed)
        : undefined;
  const ways: Readonly<Partial<Record<Change["what"], Way>>> = {
    ...{ account: loginShell, policy: rules, groups, keys, "home-mode": ({ items }) => openHomes(items) },
  };
  return user.changes.map((change) => ({
    ...{ changes: [change], work: () => undefined },
    alone: ways[change.what] ?? (() => undefined),
  }));
}
