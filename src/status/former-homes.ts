import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { sameFile, statIfPresent } from "../../ffi/files.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { remadeFor } from "../declaration/remade.ts";
import { declaredDirectories } from "../jail/record/declared-file.ts";
import { mayBeDeclared } from "../jail/record/former-places.ts";
import { OthersUsers } from "../jail/record/others-users.ts";
import { isInOrder, type JailFacts } from "../jails/jails.ts";

/** A jail of whose users there are homes at a path where it was before it was moved, too. */
export interface FormerHomes {
  readonly jail: ByteString;
  /** That path. */
  readonly at: ByteString;
  /** Printable. */
  readonly message: string;
  /** Lets everything follow what is there, where nobody has used the jail that was made anew. */
  readonly remedy: Remedy | undefined;
}

/** True if both paths are one directory, as where it is mounted at the former path, too. */
function isSame(...paths: readonly ByteString[]): boolean {
  const [one, other] = paths.map((path) => statIfPresent(AT_FDCWD, path, true));
  return one !== undefined && other !== undefined && sameFile(one, other);
}

/** Finds them among jails that are in order: one was made anew, perhaps, before its directory came back to where it was. */
export function formerHomes(jails: readonly JailFacts[]): FormerHomes[] {
  const known = new Set(jails.map(({ path }) => path));
  const wanted = new Set(jails.flatMap((one) => (isInOrder(one) ? one.path : [])));
  const users = new OthersUsers();
  const places = (answered(declaredDirectories) ?? []).flatMap(({ path: jail, formerly = [] }) =>
    wanted.has(jail) ? formerly.map((at) => ({ jail, at })) : [],
  );
  return places.flatMap(({ jail, at }): FormerHomes[] => {
    if (known.has(at) || isSame(jail, at)) return [];
    const name = answered(() => users.homesOf(jail, at))?.name;
    if (name === undefined || mayBeDeclared(at)) return [];
    const { message: way, remedy } = remadeFor(jail, at) ?? {
      message: "move what is missing back, or the rest away",
      remedy: undefined,
    };
    const what = `${quoted(at)}, where it was before, has homes of its users, too, such as that of ${quoted(name)}`;
    return [{ jail, at, message: `${what}: ${way}`, remedy }];
  });
}
