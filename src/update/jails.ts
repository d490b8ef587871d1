import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { jailedUsers } from "../jail/accounts/jailed-users.ts";
import { isDirectory } from "../jail/fs/walk.ts";
import { knownJails } from "../jail/record/manifest.ts";

/** A jail to update. `shellsOnly`: it is known only from homes, and was never given to jk_update. */
export interface JailToUpdate {
  readonly path: ByteString;
  readonly shellsOnly: boolean;
}

/** The jails that exist, and the paths of those that are missing. */
export interface JailsToUpdate {
  readonly jails: readonly JailToUpdate[];
  readonly missing: readonly ByteString[];
}

/** All known jails: of the registry, `named` ones, and those of the homes of accounts. */
export function jailsToUpdate(named: readonly ByteString[]): JailsToUpdate {
  const given = new Set([...knownJails().map(({ jail }) => jail.path), ...named]);
  const lived = jailedUsers().flatMap(({ jail }) => (jail === undefined || jail === "/" ? [] : [jail]));
  const jails: JailToUpdate[] = [];
  const missing: ByteString[] = [];
  for (const path of [...new Set([...given, ...lived])].sort()) {
    const stat = statIfPresent(AT_FDCWD, path);
    if (stat !== undefined && isDirectory(stat)) jails.push({ path, shellsOnly: !given.has(path) });
    else if (given.has(path)) missing.push(path);
  }
  return { jails, missing };
}
