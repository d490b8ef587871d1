import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { shellWord } from "../cli/shell-word.ts";
import type { Entry } from "./entry.ts";

/** The warning that a file which was asked for is not that of the host, since a user has one there; printable. Pure. */
export const othersFile = (jail: ByteString, path: ByteString, uid: number): string =>
  `${display(jail + path)} belongs to uid ${uid}, and is not the file of the host: it stays, also when that is taken back; to have that, move it away, and then type: jk_update -j ${shellWord(jail)}`;

/** The warnings about such files in a plan: about each that was named, and one about all that are in directories. Pure. */
export function othersFiles(jail: ByteString, entries: readonly Entry[]): string[] {
  const theirs = entries.filter(({ differs, uid }) => differs === true && uid !== 0);
  const isNamed = ({ because }: Entry) =>
    because.some(({ reason }) => reason.kind === "asked" && reason.matched !== true);
  return [
    ...theirs.filter(isNamed).map(({ path, uid }) => othersFile(jail, path, uid)),
    ...othersFileOfAll(
      jail,
      theirs.filter((one) => !isNamed(one)),
    ),
  ];
}

/** The one warning about all such files that are in directories; none if there are none. Pure. */
export function othersFileOfAll(
  jail: ByteString,
  [first, ...more]: readonly Pick<Entry, "path" | "uid">[],
): string[] {
  if (first === undefined) return [];
  const also = more.length === 0 ? "" : `; so it is with ${more.length} more`;
  return [othersFile(jail, first.path, first.uid) + also];
}
