import type { ByteString } from "../../../ffi/bytes.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import type { ManifestEntry } from "../../jail/record/manifest.ts";
import type { Loader } from "../../libraries/closure.ts";
import type { FileSystem } from "../../populate/file-system.ts";
import type { Recipe } from "../../populate/record/recipe.ts";
import type { JailLogins } from "../logins.ts";

/** What is known of a jail when it is to be brought up to date. */
export interface UpdateInput {
  readonly root: JailRoot;
  readonly host: FileSystem;
  readonly loader: Loader;
  /** undefined for a jail of which nothing is recorded. */
  readonly recipe: Recipe | undefined;
  readonly records: ReadonlyMap<ByteString, ManifestEntry>;
  /** What an earlier run meant to put there before it was cut short. */
  readonly intended: ReadonlyMap<ByteString, ManifestEntry>;
  /** The directories that are looked at; none: all that was asked for, or the usual ones without a record. */
  readonly directories: readonly ByteString[];
  readonly skips: readonly ByteString[];
  readonly hardlink: boolean;
  readonly prune: boolean;
  readonly logins: JailLogins;
  readonly tell: (line: ByteString) => void;
}
