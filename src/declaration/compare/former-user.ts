import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { type Change, NO_LONGER } from "../change.ts";
import type { KeptHome, OnceUser } from "../once-shape.ts";
import type { Fate } from "./fate.ts";
import { staysNote } from "./stays-note.ts";

/** A user who is to leave. */
export interface FormerUser {
  readonly of: "user";
  readonly once: OnceUser;
  readonly change: Change;
  /** What of another user is in the home, and stays: so does this home. Printable. */
  readonly holds: ByteString | undefined;
  /** The home that goes, as the jail sees it: what is there by then is another one, if it cannot go. */
  readonly goes: ByteString | undefined;
  /** The uid that nobody has any more after it. */
  readonly frees: number | undefined;
  /** The home that stays with that uid. */
  readonly stays: KeptHome | undefined;
  /** Nothing of the account may run then. */
  readonly needsEnd: boolean;
  /** What the run says of an account that stays, printable. Throws JailkitError "name-service". */
  readonly notes: () => readonly string[];
}

/**
 * One whose account is not known to be the one that was declared, or cannot leave because of its user: it stays, and no session
 * of it begins any more.
 */
export interface DoubtfulUser {
  readonly of: "doubtful";
  readonly once: OnceUser;
  readonly change: Change;
}

/** The same of one who can log in, as the plan says it. Pure. */
export function doubtfulUser(once: OnceUser): DoubtfulUser {
  const { name, jail } = once;
  const about = { action: "remove", of: "user", name, jail, what: "entry", why: NO_LONGER } as const;
  return { of: "doubtful", once, change: { ...about, from: `in ${display(jail)}`, items: [] } };
}

/** One who stays, and from whom groups or keys are taken. */
export interface GivenUser {
  readonly of: "given";
  readonly once: OnceUser;
  readonly change: Change;
  /** Of its keys it was told that nobody finds them. */
  readonly tellsKeys?: boolean;
}

/** One who stays, since the files of the jail cannot be changed: the login ends on this machine. */
export interface ClosedUser {
  readonly of: "closed";
  readonly once: OnceUser;
  readonly change: Change;
}

/** The same of one who has another shell, as the plan says it. Pure. */
export function closedUser(once: OnceUser, from: ByteString, to: ByteString): ClosedUser {
  const { name, jail } = once;
  const about = { action: "change", of: "user", name, jail, what: "account", why: NO_LONGER } as const;
  const shells = { from: `shell ${display(from)}`, to: display(to) };
  return { of: "closed", once, change: { ...about, ...shells, items: [] } };
}

/** A user who is to leave, as the plan says it; `account`: it as it is now. Pure but for its notes. */
export function formerUser(
  once: OnceUser,
  fate: Fate | undefined,
  prune: boolean,
  account: () => PasswdEntry | undefined,
): FormerUser {
  const { name, jail } = once;
  // One with another uid than apply gave it stays.
  const isRemoved = fate === undefined ? once.created !== undefined : fate.how === "removed";
  const what = isRemoved ? ("account" as const) : ("entry" as const);
  const change = { action: "remove", of: "user", name, jail, what, why: NO_LONGER, items: [] } as const;
  const where = `in ${display(jail)}${fate?.isGone ? ", which is gone" : ""}`;
  const from = what === "entry" ? where : undefined;
  const goesOut = what === "entry" && fate?.how === "out" ? outText(fate) : undefined;
  const stays = fate?.stays;
  const leaves = prune && fate?.how === "line" ? lineText(fate) : undefined;
  const goes = fate?.how === "removed" ? fate.home : undefined;
  const ofHome = homeText(once, fate);
  const taken = fate?.how === "removed" ? takesText(fate) : undefined;
  const gone = prune ? joined(ofHome ?? (taken && "alone"), taken) : undefined;
  const to = gone ?? goesOut ?? leaves;
  const frees = fate?.how === "removed" ? once.created : undefined;
  const needsEnd = fate?.how === "removed" || fate?.how === "out";
  const isStaying = fate?.how === "line" || fate?.how === "stays";
  return {
    of: "user",
    once,
    change: { ...change, from, to },
    holds: fate?.holds,
    goes,
    frees,
    stays,
    needsEnd,
    notes: () => (isStaying ? staysNote(account(), once) : []),
  };
}

const takesText = ({ setIds }: Fate): string | undefined => setIds && `takes ${setIds}`;

const joined = (...parts: readonly (string | undefined)[]): string | undefined =>
  parts.filter((one) => one !== undefined).join("; ") || undefined;

/** What is said of an account that leaves its jail. */
const outText = (fate: Fate): string | undefined =>
  joined(fate.home === undefined ? "out of it" : "out of it, with its home", takesText(fate));

/** What is said of an account of a directory that loses its lines; undefined if that is all. */
function lineText(fate: Fate): string | undefined {
  const more = joined(fate.stays && staysText(fate.stays, undefined), takesText(fate));
  return more && `out of it, ${more}`;
}

/** What is said of the home of an account that is removed. */
function homeText({ jail }: OnceUser, fate: Fate | undefined): string | undefined {
  if (fate?.how !== "removed") return undefined;
  const { home, notHome, holds, stays } = fate;
  if (notHome !== undefined)
    return `but not its home ${display(normalPath(notHome.place))}, which ${notHome.why}`;
  if (home !== undefined) return goesText(`${jail}${home}`);
  return stays && staysText(stays, holds);
}

/** What is said of an account that is removed with its home. */
const goesText = (home: ByteString): string => `and its home ${display(normalPath(home))}`;

/** What is said of an account that is removed, whose home stays; `why`: what is in it. */
const staysText = ({ home, uid }: KeptHome, why: string | undefined): string =>
  `but not its home ${display(normalPath(home))}, which stays with the uid ${uid}${why === undefined ? "" : `: ${why}`}`;
