import type { ByteString } from "../../../ffi/bytes.ts";
import type { Advice } from "../../cli/remedy.ts";

/** The rule that a finding breaks. */
export type SafetyRule =
  | "missing"
  | "link"
  | "owner"
  | "group"
  | "group-writable"
  | "acl-writable"
  | "other-writable"
  | "not-a-directory"
  | "link-through-untrusted"
  | "unreadable";

/** A reason why a jail or a directory is unsafe. */
export interface Finding {
  /** On the host. */
  path: ByteString;
  rule: SafetyRule;
  /** One printable line: the path, the problem, the present mode or owner. */
  message: ByteString;
  /** The command that fixes it, or words if no command does. */
  advice: Advice;
  /** It is a file, whose text others could write: root has to read it. */
  isFile?: boolean;
  /** Root should not take the directory: it is in somebody's home, or its owner can exchange it. */
  inHome?: true;
}
