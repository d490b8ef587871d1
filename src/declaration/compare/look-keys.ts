import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { answered } from "../../cli/error.ts";
import { lookUp, withTree } from "../../jail/fs/look.ts";
import { type JailRoot, openJailRoot } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { jailOfHome, joinHome, livesIn, splitHome } from "../../system/separator.ts";
import { type AllKeys, notTaken, readAllKeys } from "../../users/declared-keys.ts";
import { homeFor } from "../../users/jail-side.ts";
import type { KeyLine } from "../../users/key-lines.ts";
import type { KeyPlace } from "../../users/key-place.ts";
import { byStrictness, replacing } from "../../users/key-strictness.ts";
import { mergeKeys } from "../../users/key-text.ts";
import { keysWithFault, planKeys } from "../../users/keys.ts";
import { isTwoHomes, requireOneHome } from "../../users/one-home.ts";
import { type Change, type FaultText, faultText } from "../change.ts";
import type { DeclaredUser } from "../model.ts";
import { keysAmong, sumOf, union } from "../once.ts";
import type { OnceUser } from "../once-shape.ts";
import { isExchangeable } from "./taken-out.ts";
import type { UserState } from "./user-state.ts";

/** The keys of an account. */
interface KeyState {
  readonly lacking: number;
  readonly former: readonly ByteString[];
  readonly otherOptions: number;
  /** What of these options is stricter, as in Change. */
  readonly stricterOptions?: Change["takes"];
  readonly fault?: FaultText;
  /** Why there may be more in another file, or none of them counts, which prevents nothing. */
  readonly beside?: FaultText | undefined;
  /** Which of the missing ones may do no more than one of the former ones that is there: all of them, or some. */
  readonly replaces?: Change["takes"];
}

/** Of an account without any. */
export const NO_KEYS: KeyState = { lacking: 0, former: [], otherOptions: 0 };

/**
 * Calls `use` with the place of the keys of a declared account: its home in the jail, which `rootOf` opens, or outside as long
 * as it is in no jail and has yet to move. Undefined if it is in another jail.
 */
export function withKeyPlace<T>(
  { jail, directory }: Pick<DeclaredUser, "jail" | "directory">,
  user: PasswdEntry,
  rootOf: () => JailRoot | undefined,
  use: (place: KeyPlace) => T,
): T | undefined {
  const split = splitHome(user.home);
  const home = normalPath(split?.home ?? user.home);
  const isOutside = split === undefined && home !== jail && !home.startsWith(`${jail}/`);
  if (isOutside && !directory) return withTree((tree) => use({ root: tree, user, home }));
  if (split !== undefined && !directory && !livesIn(jail, user.home)) return undefined;
  const root = rootOf();
  return root && use({ root, user, home: homeFor(user, jail) });
}

/** The path on the host of the home that has the keys of a declared account, wherever it is. */
export function keyHome({ jail, directory }: Pick<DeclaredUser, "jail" | "directory">, user: PasswdEntry) {
  const home = normalPath(user.home);
  const isInside = directory || home === jail || home.startsWith(`${jail}/`);
  return isInside ? normalPath(joinHome(jail, homeFor(user, jail))) : home;
}

/** The jail that an account is in, if that is another one than the declared one. */
export function otherJailOf({ jail }: Pick<DeclaredUser, "jail">, user: PasswdEntry): ByteString | undefined {
  const there = jailOfHome(user.home);
  return there === jail ? undefined : there;
}

/**
 * The same for the keys in another jail, where sshd(8) reads them as long as the account is there: some may have to be taken
 * away, and none is given. Undefined if it is in none, or has no home there. Throws JailkitError as openJailRoot does.
 */
export function withKeysElsewhere<T>(
  declared: Pick<DeclaredUser, "jail">,
  user: PasswdEntry,
  use: (place: KeyPlace) => T,
): T | undefined {
  const there = otherJailOf(declared, user);
  // One that was moved, or is not mounted, is a fault of the user.
  if (there === undefined || statIfPresent(AT_FDCWD, there) === undefined) return undefined;
  using root = openJailRoot(there);
  const home = homeFor(user, there);
  requireOneHome(root, home);
  return lookUp(root, home) && use({ root, user, home });
}

/**
 * How many keys are missing, and which were declared once and are there; or why they cannot be read. The user chooses what is
 * in the home, and may prevent nothing else by that.
 */
export function keyState(...args: Parameters<typeof readKeyState>): KeyState {
  try {
    return readKeyState(...args);
  } catch (error) {
    const [declared, , , , once] = args;
    // What is to go may be there, and valid.
    const hidden = hiddenKeys(declared, once);
    return { ...hidden, fault: keyFault(hidden.former.length > 0 ? notTaken(error) : error) };
  }
}

/** The keys of a home that is not the user's: nothing in it is given or limited, and what is to go may be in it or where it is by now. */
export const hiddenKeys = ({ keys = [] }: DeclaredUser, once: OnceUser | undefined): KeyState => ({
  ...NO_KEYS,
  former: [...formerSums(keys, once)],
});

/** The sums of keys that were declared once. */
function formerSums(keys: readonly KeyLine[], once: OnceUser | undefined): ReadonlySet<ByteString> {
  const wanted = new Set(once === undefined ? [] : keys.map(({ key }) => sumOf(key)));
  return new Set((once?.keys ?? []).filter((sum) => !wanted.has(sum)));
}

const keyFault = (error: unknown): FaultText => ({ ...faultText(error), due: { key: "authorized_keys" } });

/** Why no key can be added. */
function faultIn(plan: () => void): FaultText | undefined {
  try {
    plan();
    return undefined;
  } catch (error) {
    return keyFault(error);
  }
}

/** Throws JailkitError as planKeys does. */
function readKeyState(
  declared: DeclaredUser,
  account: PasswdEntry,
  root: JailRoot | undefined,
  home: UserState["home"],
  once: OnceUser | undefined,
): KeyState {
  const { keys = [] } = declared;
  const sums = formerSums(keys, once);
  if (keys.length + sums.size === 0) return NO_KEYS;
  const formerIn = (all: AllKeys | undefined) => (all === undefined ? [] : keysAmong(all, [...sums]));
  const elsewhere = answered(() => ({ all: withKeysElsewhere(declared, account, readAllKeys) }));
  // All of them if these cannot be read: then the run says why.
  const formerThere = elsewhere === undefined ? [...sums] : formerIn(elsewhere.all);
  const none = { ...NO_KEYS, lacking: keys.length, former: formerThere };
  // That a home outside is missing is a failure of the move.
  const isMissing =
    splitHome(account.home) === undefined && statIfPresent(AT_FDCWD, account.home) === undefined;
  if (home !== "there" || (isMissing && !declared.directory)) return none;
  let own: ReturnType<typeof keysWithFault> | undefined;
  try {
    own = withKeyPlace(declared, account, () => root, keysWithFault);
  } catch (error) {
    // A jail that users could change may lack it, too: all that needs it waits for the jail, and nobody knows what was in it.
    const isGone = (place: KeyPlace) => place.root === root && lookUp(root, place.home) === undefined;
    if (isTwoHomes(error) || withKeyPlace(declared, account, () => root, isGone) !== true) throw error;
    return { ...none, former: [...sums] };
  }
  const text = own?.text ?? elsewhere?.all?.text;
  if (text === undefined) return none;
  const limits = keys.some(({ options }) => options !== "");
  // What is in the other file has no say but in these.
  const here = sums.size > 0 || limits ? withKeyPlace(declared, account, () => root, readAllKeys) : undefined;
  const all = here?.text;
  const former = union(formerThere, formerIn(here));
  const merge = mergeKeys(text, keys);
  const { added } = merge;
  const inAll = limits && all ? mergeKeys(all, keys) : merge;
  const beside = here?.fault ?? (keys.length > 0 ? own?.fault : undefined);
  const fault =
    added === 0
      ? undefined
      : faultIn(() =>
          withKeyPlace(
            declared,
            account,
            () => root,
            (place) => planKeys(place, keys),
          ),
        );
  return {
    // What others could have written gets none. All else is done.
    ...(fault === undefined ? { lacking: added } : { lacking: 0, fault }),
    beside: beside && keyFault(beside),
    // All of them if others may have exchanged the home for one without keys: then the run says so.
    former:
      former.length === 0 && sums.size > 0 && isExchangeable(keyHome(declared, account)) ? [...sums] : former,
    replaces: replacement(all, keys, former, added),
    otherOptions: inAll.otherOptions,
    stricterOptions: inAll.otherOptions > 0 ? strictness(all || text, keys) : undefined,
  };
}

function replacement(
  text: ByteString | undefined,
  keys: readonly KeyLine[],
  former: readonly ByteString[],
  lacking: number,
): Change["takes"] {
  if (!text || former.length === 0) return undefined;
  const count = replacing(text, keys, new Set(former)).length;
  return count === 0 ? undefined : count < lacking ? "part" : "all";
}

function strictness(text: ByteString, keys: readonly KeyLine[]): Change["takes"] {
  const { less, more, unclear } = byStrictness(text, keys);
  if (less.length + unclear.length === 0) return undefined;
  return more.length + unclear.length === 0 ? "all" : "part";
}
