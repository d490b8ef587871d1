import type { ByteString } from "../../ffi/bytes.ts";
import { mayBeDirectory } from "../../ffi/files.ts";
import { jailedUsers } from "../jail/accounts/jailed-users.ts";
import { type DamagedRecord, readRegistry } from "../jail/record/manifest.ts";

/** A jail to update. `shellsOnly`: it is known only from homes, and was never given to jk_update. */
export interface JailToUpdate {
  readonly path: ByteString;
  readonly shellsOnly: boolean;
}

/** The jails that exist, the paths of those that are missing, and records without a jail to update. */
export interface JailsToUpdate {
  readonly jails: readonly JailToUpdate[];
  readonly missing: readonly ByteString[];
  readonly damaged: readonly DamagedRecord[];
}

/** All known jails: of the registry, `named` ones, and those of the homes of accounts. */
export function jailsToUpdate(named: readonly ByteString[]): JailsToUpdate {
  const lived = jailedUsers().flatMap(({ jail }) => (jail === undefined || jail === "/" ? [] : [jail]));
  const { jails: recorded, damaged } = readRegistry([...named, ...lived]);
  const given = new Set([...recorded.map(({ jail }) => jail.path), ...named]);
  const jails: JailToUpdate[] = [];
  const missing: ByteString[] = [];
  const broken = new Set(damaged.flatMap(({ error }) => error.jail ?? []));
  for (const path of [...new Set([...given, ...broken, ...lived])].sort()) {
    if (mayBeDirectory(path)) jails.push({ path, shellsOnly: !given.has(path) && !broken.has(path) });
    else if (given.has(path) || broken.has(path)) missing.push(path);
  }
  const updated = new Set(jails.map(({ path }) => path));
  const unmatched = damaged.filter(({ error }) => error.jail === undefined || !updated.has(error.jail));
  return { jails, missing, damaged: unmatched };
}
