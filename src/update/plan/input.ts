import type { ByteString } from "../../../ffi/bytes.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import type { ManifestEntry } from "../../jail/record/manifest.ts";
import type { Loader } from "../../libraries/closure.ts";
import type { FileSystem } from "../../populate/file-system.ts";
import type { Recipe } from "../../profile/recipe.ts";
import type { JailLogins } from "../logins.ts";
import type { KnownContents } from "./known-contents.ts";

/** The input for the plan of an update. */
export interface UpdateInput {
  readonly root: JailRoot;
  readonly host: FileSystem;
  readonly loader: Loader;
  readonly contents: KnownContents;
  /** undefined for a jail without a record. */
  readonly recipe: Recipe | undefined;
  readonly records: ReadonlyMap<ByteString, ManifestEntry>;
  /** The entries that an interrupted run was about to create. */
  readonly intended: ReadonlyMap<ByteString, ManifestEntry>;
  /** The directories to update. If empty: everything that was requested, or the usual ones without a record. */
  readonly directories: readonly ByteString[];
  readonly skips: readonly ByteString[];
  readonly hardlink: boolean;
  readonly prune: boolean;
  readonly logins: JailLogins;
  readonly report: (line: ByteString) => void;
}
