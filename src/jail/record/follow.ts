import type { ByteString } from "../../../ffi/bytes.ts";
import { answered } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { ownTarget } from "../../system/exchange.ts";
import { isRecorded } from "./moved.ts";
import { knownJails } from "./registry.ts";

/** The command that updates the record, the accounts and the configuration for a moved jail. */
export const followRemedy = (from: ByteString, to: ByteString): Remedy =>
  `jailkit adopt --moved ${shellWord(from)} ${shellWord(to)}`;

/** The directory to which a path of a jail leads through symbolic links of root's alone; undefined without a link. */
export function linkedJail(path: ByteString): ByteString | undefined {
  const target = ownTarget(path);
  return target === undefined || target === path || target === "/" ? undefined : target;
}

/**
 * The command after which the record, the accounts and the configuration of a known jail behind a symbolic link name the directory
 * itself. `isNamed`: accounts or the configuration name it. Undefined for other jails.
 */
export function followLink(path: ByteString, isNamed: boolean): Remedy | undefined {
  const now = linkedJail(path);
  if (now === undefined) return undefined;
  const record = answered(() => knownJails())?.find(({ jail }) => jail.path === path);
  const isSame = record === undefined ? isNamed : isRecorded(now, record);
  return isSame ? followRemedy(path, now) : undefined;
}
