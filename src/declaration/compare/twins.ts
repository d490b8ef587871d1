import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { answered } from "../../cli/error.ts";
import { allOf, type Remedy } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { isThatOf } from "../../jail/accounts/own-path.ts";
import { linkIn } from "../../jail/fs/leads-into.ts";
import { followRemedy } from "../../jail/record/named-jail.ts";
import { onlyRootExchanges } from "../../system/exchange.ts";
import { hostText } from "../../system/host-files.ts";
import { below } from "../../system/mountinfo.ts";
import { fstabFields, mountsText, mountTypes, unmountForGood } from "../../system/mounts.ts";

/** The paths of jails on which a twin depends. */
export interface JailPaths {
  /** All declared ones, those of other files included. */
  readonly declared: ReadonlySet<ByteString>;
  /** Those that a record or an account names. */
  readonly known: ReadonlySet<ByteString>;
}

/**
 * The command after which a known jail, which a mount shows at another path, is there alone; undefined if that takes more, such
 * as other mounts in it, or if others could exchange one of the two. Throws SystemError.
 */
function leaveFor(known: ByteString, path: ByteString): Remedy | undefined {
  const mounts = [...mountTypes(mountsText()).keys()];
  const fstab = hostText("/etc/fstab") ?? "";
  const place = [known, path].find((one) => mounts.includes(one));
  if (place === undefined || ![known, path].every(onlyRootExchanges)) return undefined;
  const isIn = (one: ByteString) => (below(one, known) ?? below(one, path) ?? "") !== "";
  // What is mounted in it goes first; and the line of the other mount may name this one.
  if (mounts.some(isIn) || fstab.split("\n").some((line) => fstabFields(line)[0] === known)) return undefined;
  const move: Remedy = place === known ? "" : `mv -nT ${operands(known, path)}`;
  // Elsewhere, mv(1) would copy it.
  const parents = [known, path].map((one) => statIfPresent(AT_FDCWD, directoryOf(one))?.mountId);
  if (move !== "" && parents[0] !== parents[1]) return undefined;
  return allOf([unmountForGood([place], fstab), `rmdir ${operands(place)}`, move, followRemedy(known, path)]);
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
    if (!declared.has(twin)) {
      const leave = answered(() => leaveFor(twin, path));
      const orLeave = leave === undefined ? "" : `, or let this one be its only path with: ${leave}`;
      return `${is}, which is known by that path: declare that one${orLeave}`;
    }
    const which = known.has(twin) && !isKnown ? "this one" : "one of the two";
    const advice =
      linkIn(path) === undefined
        ? `take ${which} out of the files, and unmount it`
        : "take this one out of the files";
    return `${is}, which is declared, too: ${advice}`;
  };
}
