import { normalPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { answered, JailkitError } from "../cli/error.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { mountRemedy } from "../jail/fs/unmounted.ts";
import { hostPath, openJailRoot } from "../jail/fs/walk.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { jailOfHome, splitHome } from "../system/separator.ts";
import { ownLine } from "./jail-side.ts";
import { homesInOthers, isCertain, type OtherJailHome, otherJailAdvice } from "./other-jail-home.ts";
import { homeElsewhere, homesInstead } from "./own-home.ts";

/** What tells that the home of an account of a jail which has one may be in another jail. */
const WHY = {
  "no-line": "and no line in that jail: its home may be",
  both: "and a line and a home, which may be the one that is meant,",
} as const;

/** The home of an account of a jail that is, or may be, in another jail. */
export interface StrayHome {
  readonly other: OtherJailHome;
  readonly why: keyof typeof WHY | "missing";
  /** There is no other one. */
  readonly isSure: boolean;
}

/** What is known of a home in another jail: that it may be meant, whatever its own jail has, or that it was the home at last. */
type AskKnown = (home: OtherJailHome) => "meant" | "last" | undefined;

/**
 * The home in another jail of an account whose own jail lacks the home, or the line, so that no login works there; or one that may be
 * meant. Undefined if there is none.
 */
export function strayHome(user: PasswdEntry, known: AskKnown = () => undefined): StrayHome | undefined {
  const jail = jailOfHome(user.home);
  if (jail === undefined) return undefined;
  return answered(() => {
    using root = openJailRoot(jail);
    const home = normalPath(splitHome(user.home)?.home ?? "/");
    const lacking = homeElsewhere(user, root);
    if (lacking !== undefined && lacking.other === undefined) return undefined;
    // What is mounted there tells.
    if (mountRemedy(hostPath(root, home)) !== undefined) return undefined;
    const others = (lacking === undefined ? homesInOthers : homesInstead)(user, root, home);
    const other = others.find((one) => known(one) !== undefined) ?? others[0];
    if (other === undefined) return undefined;
    const isLast = known(other) === "last";
    const isOnly = others.length === 1 && isCertain(user, other);
    if (lacking !== undefined) return { other, why: "missing", isSure: isLast || isOnly };
    if (ownLine(readJailAccounts(root), user)?.uid !== user.uid)
      return { other, why: "no-line", isSure: isLast };
    return known(other) === undefined ? undefined : { other, why: "both", isSure: false };
  });
}

/** What helps an account with such a home. */
export const strayAdvice = (user: PasswdEntry, { other, isSure }: StrayHome) =>
  otherJailAdvice(user, other, isSure);

/** Why an account with such a home gets nothing in its jail, printable after its name, and the command that helps, if there is one. */
export function strayFault(user: PasswdEntry, stray: StrayHome) {
  const { message, advice, remedy } = strayAdvice(user, stray);
  const why =
    stray.why === "missing"
      ? `which is not there: ${message}`
      : `${WHY[stray.why]} in another jail, ${quoted(stray.other.path)}`;
  const text = `has the home ${quoted(user.home)}, ${why}; ${advice}`;
  return { code: "home-elsewhere", message: text, remedy: remedy || undefined } as const;
}

/** Throws JailkitError "home-elsewhere" for an account that would get a line in its jail, and has one, and a home, in another jail. */
export function requireNoStray(user: PasswdEntry): void {
  const stray = strayHome(user);
  if (stray === undefined) return;
  const { code, message, remedy } = strayFault(user, stray);
  throw new JailkitError(code, 1, `${quoted(user.name)} ${message}`, undefined, remedy);
}
