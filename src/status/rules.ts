import type { ByteString } from "../../ffi/bytes.ts";
import { hostSection } from "../check/account-files.ts";
import { andMore, display, quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import type { JailAccounts } from "../jail/accounts/accounts.ts";
import { hostPath, type JailRoot } from "../jail/fs/walk.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { POLICY_FILE, readPolicies } from "../users/policy.ts";

/** Why the limited shell lets some users of a jail do nothing. */
export interface RulesFault {
  /** Those who have no section; undefined if the rules of all cannot be used. */
  readonly without?: readonly ByteString[];
  /** Printable. */
  readonly message: string;
  /** The command that helps, if there is one. */
  readonly remedy?: Remedy | undefined;
}

const END = ": no login with the limited shell works";

/** Looks at the rules of the limited shell in a jail, for users by their lines in it, as jk_lsh(8) chooses a section. */
export function rulesFault(
  root: JailRoot,
  users: readonly PasswdEntry[],
  accounts: JailAccounts,
): RulesFault | undefined {
  if (users.length === 0) return undefined;
  try {
    const { ini } = readPolicies(root);
    const without = users.flatMap((user) =>
      hostSection(ini, user, accounts) === undefined ? user.name : [],
    );
    const [first, ...others] = without;
    if (first === undefined) return undefined;
    const message = `${quoted(hostPath(root, POLICY_FILE))} has no section for ${display(first)}${andMore(others.length)}${END}`;
    return { without, message };
  } catch (error) {
    if (!(error instanceof JailkitError)) throw error;
    return { message: error.message + END, remedy: error.remedy };
  }
}
