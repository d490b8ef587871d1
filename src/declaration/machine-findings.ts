import type { FindingCode } from "../config/finding-codes.ts";
import type { ReportFinding } from "../config/separators.ts";

/**
 * What `jailkit config check` says where a declaration does not fit this machine, and who can bring that about: only root ("root"),
 * or also who can exchange the directory of the jail, the path at the place, the home of the account, or a file of the section. "users": others than root.
 * "machine": root, who has not mounted something. "warning": it is never an error.
 */
export const MACHINE_FINDINGS = {
  "another-jail": "jail",
  "bad-account": "root",
  "bad-path": "jail",
  contradiction: "root",
  "directory-differs": "warning",
  "duplicate-section": "root",
  "empty-jail": "jail",
  // Of an account of a directory, what it has moved there is known by its owner.
  "holds-home": "users",
  "home-differs": "root",
  "in-another-jail": "root",
  "inside-home": "root",
  "inside-jail": "warning",
  // A run makes it so itself, when it removes an account.
  "kept-home": "users",
  moved: "jail",
  "no-answer": "warning",
  "no-home": "home",
  "no-such-path": "path",
  "not-a-directory": "path",
  "not-a-list": "path",
  "not-a-member": "root",
  "not-ascii": "warning",
  "not-executable": "path",
  "not-in-directory": "warning",
  "not-in-jail": "path",
  "not-mounted": "machine",
  "nothing-found": "section",
  "not-their-home": "home",
  "policy-exists": "root",
  "refused-source": "path",
  taken: "root",
  "two-homes": "home",
  "unknown-group": "root",
  "unknown-jail": "root",
  "unknown-section": "root",
} as const satisfies Partial<
  Record<FindingCode, "root" | "jail" | "path" | "home" | "section" | "users" | "machine" | "warning">
>;

/** Adds a finding about this machine. */
export type ReportMachine = ReportFinding<keyof typeof MACHINE_FINDINGS>;
