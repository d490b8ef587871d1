import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { answered } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { onlyRootExchanges } from "./exchange.ts";
import { hostGroup } from "./name-services.ts";

/**
 * The command that gives a file of an account that is no more, and all that it has below, to root: a user may have moved a
 * file there that only that account could read, and a group may read what it gets. Files of others there stay theirs, also
 * those with another name elsewhere; no symbolic link is followed. A group that is no more is given away, too, since a new
 * account may get its number. Undefined if users could lead the path elsewhere meanwhile.
 */
export function giveCommand(path: ByteString, uid: number): Remedy | undefined {
  if (!onlyRootExchanges(directoryOf(path))) return undefined;
  const stat = attempt(() => statIfPresent(AT_FDCWD, path));
  if (stat?.uid !== uid) return undefined;
  // A name service that does not answer may know it.
  const found = answered(() => ({ group: hostGroup(stat.gid) }));
  const owner = found !== undefined && found.group === undefined ? "root:root" : "root";
  return `chown -hR --from=+${uid} ${owner} ${shellWord(path)}`;
}

/** The command that gives to root all that has a uid at some paths, and below. Undefined as with giveCommand. */
export const giveAllCommand = (paths: readonly ByteString[], uid: number): Remedy | undefined =>
  paths.every((path) => onlyRootExchanges(directoryOf(path)))
    ? `chown -hR --from=+${uid} root ${operands(...paths)}`
    : undefined;
