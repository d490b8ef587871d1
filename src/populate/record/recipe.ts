import type { ByteString } from "../../../ffi/bytes.ts";
import type { ManifestRequest } from "../../jail/record/manifest.ts";
import type { Loader } from "../../libraries/closure.ts";
import type { WantedAccounts } from "../apply/accounts.ts";
import type { PopulateProblem, Want } from "../entry.ts";
import type { FileSystem } from "../file-system.ts";

/** All that was ever asked for in a jail, as it would be asked for today. */
export interface Recipe {
  readonly wants: readonly Want[];
  readonly accounts: WantedAccounts;
  readonly needProc: boolean;
  readonly needLogsocket: boolean;
  /** The sections and operands that were read, with those that they include. */
  readonly resolved: ReadonlySet<ByteString>;
  /** Those of them whose files are to be hard links. */
  readonly linked: ReadonlySet<ByteString>;
  /** Requests that cannot be made again, such as for a section that is gone. */
  readonly problems: readonly PopulateProblem[];
  readonly warnings: readonly string[];
}

/** Reads the requests of a jail's record anew: sections from the files that they came from. */
export type RecipeReader = (requests: readonly ManifestRequest[], host: FileSystem, loader: Loader) => Recipe;

const TOOLS: ReadonlySet<ByteString> = new Set(["jk_init", "jk_cp"]);

/** True for a request that puts files into a jail; others are about its accounts. */
export function asksForFiles({ tool }: ManifestRequest): boolean {
  return TOOLS.has(tool);
}
