import type { ByteString } from "../../../ffi/bytes.ts";
import type { AllowPlaces } from "./places.ts";

/** A command that a word of the key `allow` allows. */
export interface Granted {
  /** Its arguments, with those that the word adds. */
  args: readonly ByteString[];
  /** It writes files; otherwise the kernel can keep it from that. */
  writes: boolean;
}

/** A word of the key `allow`: a service, or a part of one. */
export interface AllowWord {
  /** A service of services.ts. */
  readonly service: string;
  /** The programs that it needs, if they are not all of the service. */
  readonly programs?: readonly ByteString[];
  /** Only commands that read are allowed. */
  readonly readOnly?: true;
  /** It does nothing where nothing may be written. */
  readonly needsWrite?: true;
  /** Files that the program writes besides those of the user; `~` is the home. */
  readonly state?: readonly ByteString[];
  /** It needs a directory for temporary files, which is then one where it may write. */
  readonly temporary?: true;
  /** For the manual: what a user can do, and what is refused or added. */
  readonly help: string;
  /**
   * The command for these arguments (without argv[0]), or why it is not allowed, as a phrase. `invoked`: the base name of
   * the program.
   */
  readonly judge: (args: readonly ByteString[], invoked: ByteString, places: AllowPlaces) => Granted | string;
}
