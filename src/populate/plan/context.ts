import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import type { Loader } from "../../libraries/closure.ts";
import type { Keeps, Reason } from "../entry.ts";
import type { FileSystem } from "../file-system.ts";
import type { Draft } from "./draft.ts";
import type { HostTrust } from "./trust.ts";

/** What planning reads. It changes nothing, and reads nothing else. */
export interface PlannerInput {
  readonly host: FileSystem;
  /** The jail as it is now. */
  readonly jail: FileSystem;
  /** The path of the jail on the host: the jail is never copied into itself. */
  readonly jailPath: ByteString;
  /** Overwrite what is in the jail already. */
  readonly force: boolean;
  readonly loader: Pick<Loader, "dependencies" | "configurationFiles">;
}

/** What the parts of planning share. */
export interface PlanContext extends PlannerInput {
  readonly draft: Draft;
  readonly trust: HostTrust;
  /** Why a directory is never copied whole; undefined if it may be. */
  readonly forbidden: (stat: BasicStat) => string | undefined;
}

/** How files are copied; the same for all that follows from one want. */
export interface CopyRules {
  readonly section: ByteString;
  readonly keeps: Keeps;
  /** Plan what programs need. Off for libraries that were found that way. */
  readonly withNeeds: boolean;
}

/** A file of the host to be planned, and why. */
export interface Source {
  readonly path: ByteString;
  readonly stat: BasicStat;
  readonly rules: CopyRules;
  readonly reason: Reason;
}
