import type { ByteString } from "../../../ffi/bytes.ts";
import type { ShadowEntry } from "../../system/shadow.ts";
import type { SshdSettings } from "../../system/sshd/settings.ts";
import type { Subject } from "../account.ts";

/** A login by an sshd with these settings. */
export interface Connection extends Pick<Subject, "account" | "who"> {
  settings: SshdSettings;
  /** The configuration file of sshd. */
  file: ByteString;
  /** The names of the user's groups. */
  groups: readonly ByteString[];
  shadow: ShadowEntry | undefined;
  /** The address from which the user connects; undefined if unknown. */
  from: ByteString | undefined;
}
