import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { type IniSection, keyPlace, type Problem } from "../config/model.ts";
import { hostUser } from "../system/name-services.ts";
import { dirsEqual, joinHome, normalHome } from "../system/separator.ts";
import type { DeclaredUser } from "./model.ts";
import { readOnce } from "./once.ts";
import { problemAt } from "./section.ts";
import { type Beside, placeIn } from "./to-be-read.ts";

/** What two users cannot both have. */
type Shared = "home" | "uid";

/** How well a user has what is declared: 2 with it, 1 with another one, 0 for one who is new. */
export type Standing = (user: DeclaredUser, what: Shared) => number;

/** Of files that stand alone: all users are new. */
export const ALL_NEW: Standing = () => 0;

/** The same by the accounts of this machine, and by what apply has made; it is asked only of users who share something. */
export function standingHere(): Standing {
  const known = new Map<"users", ReadonlySet<ByteString>>();
  const names = () => new Set((answered(readOnce)?.users ?? []).map(({ name }) => name));
  return ({ name, jail, home, uid }, what) => {
    const account = answered(() => hostUser(name));
    if (account === undefined) return known.getOrInsertComputed("users", names).has(name) ? 1 : 0;
    const isIt =
      what === "uid" ? account.uid === uid : dirsEqual(normalHome(account.home), joinHome(jail, home));
    return isIt ? 2 : 1;
  };
}

/** A user, and the section that is read; undefined for one of a file that is only to be read with it. */
interface Claim {
  readonly declared: DeclaredUser;
  readonly section: IniSection | undefined;
}

/** What a user claims; that of a directory is known only to a name service. */
function claimed({ jail, home, uid, keeps = [] }: DeclaredUser, what: Shared): ByteString | undefined {
  if (what === "uid") return uid === undefined ? undefined : `${uid}`;
  return jail === "" || keeps.includes("home") ? undefined : joinHome(jail, home);
}

/** Who keeps it: of other files nothing is changed, and of equal ones the first was there before. */
function keeperOf(claims: readonly Claim[], what: Shared, standing: Standing): Claim | undefined {
  const [beside] = claims.filter(({ section }) => section === undefined);
  if (beside !== undefined) return beside;
  const rank = ({ declared }: Claim) => standing(declared, what);
  return claims.toSorted((one, other) => rank(other) - rank(one))[0];
}

/** Homes and uids that two declared users share, also one of a file that is to be read with others with one of these. */
export function sharedProblems(
  users: readonly { declared: DeclaredUser; section: IniSection }[],
  beside: Beside,
  standing: Standing,
): Problem[] {
  const names = new Set(users.map(({ declared }) => declared.name));
  const others = beside.users.filter(({ name }) => !names.has(name));
  const all: Claim[] = [...others.map((declared) => ({ declared, section: undefined })), ...users];
  return (["home", "uid"] as const).flatMap((what) => {
    const byValue = Map.groupBy(all, ({ declared }) => claimed(declared, what));
    return [...byValue].flatMap(([value, claims]) => {
      // A user who is declared twice is an error already.
      const isShared = value !== undefined && new Set(claims.map(({ declared }) => declared.name)).size > 1;
      const keeper = isShared ? keeperOf(claims, what, standing) : undefined;
      return keeper === undefined ? [] : claims.flatMap((claim) => problemsOf(claim, keeper.declared, what));
    });
  });
}

function problemsOf({ declared, section }: Claim, keeper: DeclaredUser, what: Shared): Problem[] {
  const { name, home, uid } = declared;
  if (section === undefined || name === keeper.name) return [];
  const [other, where] = [quoted(keeper.name), placeIn(keeper.place)];
  const message =
    what === "uid"
      ? `the uid ${uid} is declared for ${other} already${where}`
      : `${quoted(home)} is the home of ${other} in this jail${where}: name another one with the key 'home'`;
  return [problemAt(keyPlace(section, what), "taken", message, { kind: "none" })];
}
