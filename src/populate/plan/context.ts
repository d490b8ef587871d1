import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import type { Loader } from "../../libraries/closure.ts";
import type { Keeps, Reason } from "../entry.ts";
import type { FileSystem } from "../file-system.ts";
import type { Draft } from "./draft.ts";
import type { HostTrust } from "./trust.ts";

/** The input of planning, which reads nothing else and changes nothing. */
export interface PlannerInput {
  readonly host: FileSystem;
  /** The jail as it is now. */
  readonly jail: FileSystem;
  /** The path of the jail on the host: the jail is never copied into itself. */
  readonly jailPath: ByteString;
  /** Overwrite existing files of the jail. */
  readonly force: boolean;
  readonly loader: Pick<Loader, "dependencies" | "configurationFiles">;
}

/** The data that all parts of planning share. */
export interface PlanContext extends PlannerInput {
  readonly draft: Draft;
  readonly trust: HostTrust;
  /** The reason why a directory is never copied whole; undefined if it may be. */
  readonly forbidden: (stat: BasicStat) => string | undefined;
}

/** How files are copied; the same for all files that follow from one want. */
export interface CopyRules {
  readonly section: ByteString;
  readonly keeps: Keeps;
  /** Plan the dependencies of programs. Off for libraries, since their dependencies are planned already. */
  readonly withNeeds: boolean;
}

/** A file of the host to plan, with the reason. */
export interface Source {
  readonly path: ByteString;
  readonly stat: BasicStat;
  readonly rules: CopyRules;
  readonly reason: Reason;
}
