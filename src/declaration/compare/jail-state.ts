import type { ByteString } from "../../../ffi/bytes.ts";
import type { ManifestEntry } from "../../jail/record/manifest.ts";
import type { FaultText } from "../change.ts";

/** What this machine has of a jail. */
export interface JailState {
  /** Its directory is there. */
  readonly exists: boolean;
  /** It is not there, though there is a record of it. */
  readonly lost: boolean;
  /** Its contents were removed, but the directory is there. */
  readonly emptied: boolean;
  /** It has files, and nothing is known about them: its record is missing. */
  readonly unrecorded: boolean;
  /** Why nothing is done in it, a printable line with the remedy, and a code. */
  readonly fault: FaultText | undefined;
  /** Sections and operands in its record. */
  readonly sections: ReadonlySet<ByteString>;
  readonly files: ReadonlySet<ByteString>;
  /** Those of both that were interrupted. */
  readonly unfinished: ReadonlySet<ByteString>;
  /** Directories of the host that should be mounted, by its record. */
  readonly live: ReadonlySet<ByteString>;
  /** Recorded directories of the host that are not mounted as they should be, and why, printable. */
  readonly lacking: ReadonlyMap<ByteString, string>;
  /** Directories of the host for which fstab(5) has our lines, but which its record does not have: of a jail of before. */
  readonly leftMounts: readonly ByteString[];
  readonly logSocket: boolean;
  readonly proc: boolean;
  /** It is mounted, or in fstab(5): a boot may bring it. */
  readonly someProc: boolean;
  /** Why it is not as it should be, printable. */
  readonly lacksProc: string;
  /** The entry of its record for a path. */
  readonly recordOf: (path: ByteString) => ManifestEntry | undefined;
  /** Files in it that users had, by its record, in the place of those that were asked for. */
  readonly others: readonly ByteString[];
  /** Some of its files may have the owner that they have on the host, as with jk_cp -o. */
  readonly keepsOwners: boolean;
  /** What its sections do not bring, by its record. */
  readonly without: ReadonlySet<ByteString>;
}

/** What an earlier run recorded about a jail, for --prune. */
export type JailOnce = Readonly<Record<"sections" | "files" | "live", readonly ByteString[]>> &
  Readonly<Record<"logSocket" | "proc", boolean>>;
