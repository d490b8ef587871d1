import type { ByteString } from "../../../ffi/bytes.ts";
import { S_ISGID, S_ISUID } from "../../../ffi/constants.ts";
import type { ManifestEntry } from "../../jail/record/manifest.ts";
import type { CheckFinding, Repair, Rule } from "../rules.ts";
import type { JailSettings } from "../settings.ts";
import type { WalkEntry } from "./walk.ts";

/** The setuid and setgid bits of a mode. */
export const SPECIAL = S_ISUID | S_ISGID;

/** A file, directory, symbolic link or device of a jail, with the facts that the rules need. */
export interface Item {
  readonly seen: WalkEntry;
  /** Its path on the host. */
  readonly path: ByteString;
  /** Its entry in the manifest. */
  readonly entry: ManifestEntry | undefined;
  readonly settings: JailSettings;
  /** The primary group of an account of the jail. */
  readonly primaryGroup: (uid: number) => number | undefined;
  /** True if an account of the jail or of the host has this uid. */
  readonly knownUid: (uid: number) => boolean;
}

/** A finding about an item. `repair` applies only while the item is the one that was seen. */
export function findingAbout(item: Item, rule: Rule, message: string, repair?: Repair): CheckFinding {
  const { path, seen } = item;
  return { rule, path, message, jailPath: seen.path, repair, seen: repair && seen.stat };
}
