import type { ByteString } from "../../ffi/bytes.ts";
import { withRightsOf } from "../../ffi/rights.ts";
import { display } from "../cli/display.ts";
import { runChecks } from "../enter/checks.ts";
import { gatherFacts } from "../enter/gather.ts";
import { HOST_CHECKS } from "../enter/login/host-checks.ts";
import { groupIdsOf, type PasswdEntry } from "../system/accounts.ts";

/**
 * Why jk_chrootsh would refuse the home that an account has in its jail, as a printable line with the remedy: by its own
 * checks, with the user's rights, and with what jk_chrootsh.ini relaxes. undefined where it would not. Root alone can ask.
 */
export function homeFault(account: PasswdEntry): ByteString | undefined {
  const { name, uid, gid } = account;
  const groups = groupIdsOf(name, gid);
  const facts = gatherFacts({
    ...{ programName: "jk_chrootsh", uid, gid, userVariable: name, asked: true },
    privilege: () => ({ held: "unknown", reason: "not asked", remedy: "" }),
    account: () => account,
    groups: () => groups,
  });
  const results = withRightsOf({ uid, gid, groups }, () => [...runChecks(facts, HOST_CHECKS)]);
  const fault = results.find((one) => one.name.startsWith("home-") && one.outcome === "failed");
  if (fault === undefined) return undefined;
  const why = fault.message.replace(/^abort, /, "");
  return `${display(name)} cannot log in, ${why}; mend it with: ${fault.remedy ?? ""}`;
}
