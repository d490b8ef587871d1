import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { splitHome } from "../../jail/accounts/separator.ts";
import { withTree } from "../../jail/fs/look.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { homeFor } from "../../users/jail-side.ts";
import { byStrictness, type KeyLine, keyLinesIn, mergeKeys } from "../../users/key-lines.ts";
import { type KeyPlace, keysText } from "../../users/keys.ts";
import { type Change, type FaultText, faultText } from "../change.ts";
import type { DeclaredUser } from "../model.ts";
import { sumOf } from "../once.ts";
import type { OnceUser } from "../once-shape.ts";

/** The keys of an account. */
interface KeyState {
  readonly lacking: number;
  readonly former: readonly ByteString[];
  readonly otherOptions: number;
  /** What of these options is stricter, as in Change. */
  readonly stricterOptions?: Change["takes"];
  readonly fault?: FaultText;
}

/** Of an account without any. */
export const NO_KEYS: KeyState = { lacking: 0, former: [], otherOptions: 0 };

/**
 * Calls `use` with the place of the keys of a declared account: its home in the jail, or outside as long as it is in no jail
 * and has yet to move. Undefined if it is in another jail.
 */
export function withKeyPlace<T>(
  { jail, directory }: Pick<DeclaredUser, "jail" | "directory">,
  user: PasswdEntry,
  root: JailRoot | undefined,
  use: (place: KeyPlace) => T,
): T | undefined {
  const split = splitHome(user.home);
  const home = normalPath(split?.home ?? user.home);
  const isOutside = split === undefined && home !== jail && !home.startsWith(`${jail}/`);
  if (isOutside && !directory) return withTree((tree) => use({ root: tree, user, home }));
  if (root === undefined || (split !== undefined && !directory && normalPath(split.jail) !== jail))
    return undefined;
  return use({ root, user, home: homeFor(user, jail) });
}

/**
 * How many keys are missing, and which were declared once and are there; or why they cannot be read. The user chooses what is
 * in the home, and may prevent nothing else by that.
 */
export function keyState(...args: Parameters<typeof readKeyState>): KeyState {
  try {
    return readKeyState(...args);
  } catch (error) {
    return { ...NO_KEYS, fault: { ...faultText(error), due: { key: "authorized_keys" } } };
  }
}

/** Throws JailkitError as planKeys does. */
function readKeyState(
  declared: DeclaredUser,
  account: PasswdEntry,
  root: JailRoot | undefined,
  home: "there" | "missing" | "foreign",
  once: OnceUser | undefined,
): KeyState {
  const { keys = [] } = declared;
  const wanted = new Set(once === undefined ? [] : keys.map(({ key }) => sumOf(key)));
  const sums = new Set((once?.keys ?? []).filter((sum) => !wanted.has(sum)));
  if (keys.length + sums.size === 0) return NO_KEYS;
  const none = { ...NO_KEYS, lacking: keys.length };
  // That a home outside is missing is a failure of the move.
  const isMissing =
    splitHome(account.home) === undefined && statIfPresent(AT_FDCWD, account.home) === undefined;
  if (home !== "there" || (isMissing && !declared.directory)) return none;
  const text = withKeyPlace(declared, account, root, keysText);
  if (text === undefined) return none;
  const former =
    sums.size === 0 ? [] : keyLinesIn(text).flatMap(({ key }) => (sums.has(sumOf(key)) ? key : []));
  const lines = new Set(text.split("\n"));
  // Nearly always; to read thousands of files would take a second.
  const merge = keys.every(({ line }) => lines.has(line)) ? undefined : mergeKeys(text, keys);
  return {
    lacking: merge?.added ?? 0,
    former: [...new Set(former)],
    otherOptions: merge?.otherOptions ?? 0,
    stricterOptions: merge && merge.otherOptions > 0 ? strictness(text, keys) : undefined,
  };
}

function strictness(text: ByteString, keys: readonly KeyLine[]): Change["takes"] {
  const { less, more, unclear } = byStrictness(text, keys);
  if (less.length + unclear.length === 0) return undefined;
  return more.length + unclear.length === 0 ? "all" : "part";
}
