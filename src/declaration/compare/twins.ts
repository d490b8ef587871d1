import type { ByteString } from "../../../ffi/bytes.ts";
import { isThatOf } from "../../jail/accounts/own-path.ts";
import { linkIn } from "../../jail/fs/leads-into.ts";
import { followRemedy } from "../../jail/record/named-jail.ts";

/** The paths of jails on which a twin depends. */
export interface JailPaths {
  /** All declared ones, those of other files included. */
  readonly declared: ReadonlySet<ByteString>;
  /** Those that a record or an account names. */
  readonly known: ReadonlySet<ByteString>;
}

/**
 * A function that tells why a path is no jail, as the end of a sentence, since another one has its directory; undefined if none
 * has. If one of the two is known, the jail is that one's: with a mistake in another file, its users go on as they are.
 */
export function twinFaults(
  { declared, known }: JailPaths,
  place: (path: ByteString) => string,
): (path: ByteString) => string | undefined {
  const byPlace = Map.groupBy(declared.union(known), place);
  return (path) => {
    const isKnown = known.has(path);
    // Nothing is done by a path with a symbolic link, which is an error of its own.
    const others = (byPlace.get(place(path)) ?? []).filter(
      (one) => one !== path && !(isKnown && !known.has(one)) && linkIn(one) === undefined,
    );
    // Of a jail that is not declared nothing is done by the other path either.
    const twin = others.find((one) => declared.has(one)) ?? (isKnown ? undefined : others[0]);
    if (twin === undefined) return undefined;
    const is = isThatOf(path, twin);
    if (!declared.has(twin))
      return `${is}, which is known by that path: declare that one, or unmount it, and let the rest follow with: ${followRemedy(twin, path)}`;
    const which = known.has(twin) && !isKnown ? "this one" : "one of the two";
    const advice =
      linkIn(path) === undefined
        ? `take ${which} out of the files, and unmount it`
        : "take this one out of the files";
    return `${is}, which is declared, too: ${advice}`;
  };
}
