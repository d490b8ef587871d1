import type { ByteString } from "../../../ffi/bytes.ts";

/** Whether a user can authenticate in one way, by a key or by a password. */
export interface Authentication {
  can: "yes" | "no" | "unknown";
  /** The reasons. */
  why: ByteString[];
  remedies: ByteString[];
  /** shadow(5) has no password, though sshd would ask for one. */
  byShadow?: boolean;
}
