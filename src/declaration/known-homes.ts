import type { ByteString } from "../../ffi/bytes.ts";
import { normalPath } from "../../ffi/paths.ts";
import { answered } from "../cli/error.ts";
import { memoized } from "../enter/gather.ts";
import { usualHome } from "../jail/accounts/home-place.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { hostUser } from "../system/name-services.ts";
import { homeInJail, joinHome, livesIn } from "../system/separator.ts";
import { countPlaces, type KnownPlace } from "../users/known-homes.ts";
import { hasHome } from "./ids.ts";
import type { DeclaredUser } from "./model.ts";
import { readOnce } from "./once.ts";
import { type OnceUser, uidOf } from "./once-shape.ts";
import { declaredHere } from "./read.ts";

type Place = Pick<KnownPlace, "jail" | "home">;

/** Where an account had its home at last, by what is remembered. */
function placeOf({ name, jail, createdHome }: OnceUser, section: DeclaredUser | undefined): Place {
  if (createdHome !== undefined && livesIn(jail, createdHome)) return { jail, home: homeInJail(createdHome) };
  return { jail, home: normalPath(section?.jail === jail ? section.home : usualHome(name)) };
}

const isSame = (one: Place | undefined, other: Place): boolean =>
  one !== undefined && one.jail === other.jail && one.home === other.home;

/** The places of an account by a section, and by what is remembered of its user. */
function placesOf(
  { name, uid }: Pick<PasswdEntry, "name" | "uid">,
  section: DeclaredUser | undefined,
  once: OnceUser | undefined,
): KnownPlace[] {
  const isMeant = section !== undefined && !section.directory && [undefined, uid].includes(section.uid);
  const declared = isMeant ? { jail: section.jail, home: normalPath(section.home) } : undefined;
  const before = once && placeOf(once, section);
  // By another name it may be another account.
  const isSure = (place: Place) => {
    if (once?.name !== name || uidOf(once) !== uid) return false;
    if (once.homeId !== undefined)
      return hasHome({ home: joinHome(place.jail, place.home), uid }, once.homeId);
    return isSame(declared, place) && isSame(before, place);
  };
  const places = [declared, before].filter((one) => one !== undefined);
  return places
    .filter((one, index) => index === 0 || !isSame(places[0], one))
    .map((place) => ({ ...place, isDeclared: place === declared, isSure: () => isSure(place) }));
}

/**
 * Has the home of an account, where its own is not there, also looked for where files of jails.d declare it, and where it was
 * declared at last. They are read when somebody asks first.
 */
export function countDeclaredHomes(): void {
  const read = memoized(() => {
    const once = (answered(() => readOnce().users) ?? []).filter(({ directory, out }) => !directory && !out);
    return {
      declared: declaredHere()?.users,
      named: new Map(once.map((one) => [one.name, one])),
      byUid: Map.groupBy(once, uidOf),
    };
  });
  countPlaces((user) => {
    const { declared, named, byUid } = read();
    const known = named.get(user.name);
    const own = known !== undefined && [undefined, user.uid].includes(uidOf(known)) ? known : undefined;
    // It has another name by now, or had it when it was declared.
    const others = (byUid.get(user.uid) ?? []).filter(({ name }) => name !== user.name && isGone(name));
    return [
      ...placesOf(user, declared?.get(user.name), own),
      ...others.flatMap((once) => placesOf(user, declared?.get(once.name), once)),
    ];
  });
}

const isGone = (name: ByteString): boolean => answered(() => ({ user: hostUser(name) }))?.user === undefined;
