import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { normalPath, pathsDownTo } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { memoized } from "../enter/gather.ts";
import { hostPath } from "../jail/fs/walk.ts";
import { below } from "../system/mountinfo.ts";
import { plainIn } from "./kept-homes.ts";
import { isWholeJail, openPlace, placeOf } from "./kept-where.ts";
import type { DeclaredUser } from "./model.ts";
import { readOnce } from "./once.ts";
import type { KeptHome, Once } from "./once-shape.ts";
import { declaredHere } from "./read.ts";
import { uidOwnersHere } from "./uid-owners.ts";

const KEEPS = "it is in a home that 'jailkit apply' keeps with this uid";

/** Where a home is on the host, to which links of its jail may lead. */
const plainPlace = (home: ByteString): ByteString =>
  answered(() => {
    const { jail, path } = placeOf({ home });
    using root = openPlace(jail);
    return hostPath(root, plainIn(root, path));
  }) ?? normalPath(home);

const homeOf = ({ jail, home }: Pick<DeclaredUser, "jail" | "home">): ByteString =>
  hostPath({ path: jail }, normalPath(home));

/**
 * Says why a file of the host whose uid no account has is given to nobody: it is in a home that stays without its account, or that
 * is declared, as after an older passwd(5) has come back, or a declared user has the uid, whom a directory does not know for a while. Printable; undefined for another file. What was declared
 * is read at the first question; if it cannot be read, nothing is known to stay.
 */
export function keptAt(): (path: ByteString) => string | undefined {
  let once: Pick<Once, "users" | "kept"> | undefined;
  const known = () => {
    once ??= answered(readOnce) ?? { users: [], kept: [] };
    return once;
  };
  const places = new Map<ByteString, ByteString>();
  const plain = ({ home }: KeptHome) => places.getOrInsertComputed(home, plainPlace);
  const owners = uidOwnersHere(known);
  const declared = memoized(
    () => new Map([...(declaredHere()?.users.values() ?? [])].map((one) => [homeOf(one), one.name])),
  );
  return (path) => {
    const uid = answered(() => statIfPresent(AT_FDCWD, path)?.uid);
    if (uid === undefined) return undefined;
    const homes = known().kept.filter((one) => one.uid === uid && !isWholeJail(one));
    if (homes.some((home) => below(path, plain(home)) !== undefined)) return KEEPS;
    const owner = answered(() => owners.of(uid, ""));
    if (owner !== undefined) return `it is the uid of ${quoted(owner.name)}, who is declared`;
    // What others have moved into a home of somebody else is not that home's.
    const home = pathsDownTo(path).find(
      (one) => declared().has(one) && answered(() => statIfPresent(AT_FDCWD, one)?.uid) === uid,
    );
    const name = home === undefined ? undefined : declared().get(home);
    return name && `it is in the home of ${quoted(name)}, who is declared`;
  };
}
