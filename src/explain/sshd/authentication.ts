import type { ByteString } from "../../../ffi/bytes.ts";

/** The answer whether a user can authenticate in one way, by a key or by a password. */
export interface Authentication {
  can: "yes" | "no" | "unknown";
  why: ByteString[];
  remedies: ByteString[];
  /** shadow(5) has no password, though sshd would ask for one. */
  byShadow?: boolean;
}
