import type { ByteString } from "../../../ffi/bytes.ts";

/** Whether somebody can show who they are in one way. */
export interface Authentication {
  can: "yes" | "no" | "unknown";
  /** What speaks for it, or against it. */
  why: ByteString[];
  remedies: ByteString[];
  /** It is shadow(5) that has no password; sshd would ask for one. */
  byShadow?: boolean;
}
