import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { withRightsOf } from "../../ffi/rights.ts";
import { display } from "../cli/display.ts";
import { runChecks } from "../enter/checks.ts";
import { splitOf } from "../enter/facts.ts";
import { type GatheredFacts, gatherFacts } from "../enter/gather.ts";
import { HOST_CHECKS } from "../enter/login/host-checks.ts";
import { nearestDirectory } from "../jail/fs/safety.ts";
import { release } from "../jail/fs/walk.ts";
import { groupIdsOf, type PasswdEntry, passwdByUid } from "../system/accounts.ts";
import { aclAt } from "../system/acl.ts";

/** What changes before the login that is asked about. */
interface Coming {
  /** Ids of groups that the account comes into. */
  joins: readonly number[];
  /** The directory of the host that becomes the home, with its owner, mode and ACL. */
  moveFrom: ByteString | undefined;
}

/**
 * Why jk_chrootsh would refuse the home that an account has in its jail, as a printable line with the remedy: by its own
 * checks, with the user's rights, and with what jk_chrootsh.ini relaxes. undefined where it would not. Root alone can ask.
 */
export function homeFault(
  account: PasswdEntry,
  { joins, moveFrom }: Coming = { joins: [], moveFrom: undefined },
): ByteString | undefined {
  const { name, uid, gid } = account;
  const groups = [...groupIdsOf(name, gid), ...joins];
  const now = gatherFacts({
    ...{ programName: "jk_chrootsh", uid, gid, userVariable: name, asked: true },
    privilege: () => ({ held: "unknown", reason: "not asked", remedy: "" }),
    account: () => account,
    groups: () => groups,
  });
  const facts = moveFrom === undefined ? now : whenMoved(now, moveFrom);
  const results = withRightsOf({ uid, gid, groups }, () => [...runChecks(facts, HOST_CHECKS)]);
  const fault = results.find((one) => one.name.startsWith("home-") && one.outcome === "failed");
  if (fault === undefined) return undefined;
  const why = fault.message.replace(/^abort, /, "");
  return `${display(name)} cannot log in, ${why}; mend it with: ${fault.remedy ?? ""}`;
}

/** The facts of a login when the home has moved to where the account has it; nothing stands there yet. */
function whenMoved(facts: GatheredFacts, from: ByteString): GatheredFacts {
  const stat = statIfPresent(AT_FDCWD, from);
  const acl = aclAt(AT_FDCWD, from);
  return {
    ...facts,
    // Whether the user could look there at all is told by looking.
    home: () => facts.home() ?? stat,
    homeOwner: () => stat && passwdByUid(stat.uid),
    homeAcl: () => acl,
    onlyRootExchangesHome() {
      // What is missing on the way will be root's.
      const above = nearestDirectory(facts.root(), directoryOf(splitOf(facts).home));
      release(above);
      return above.trusted;
    },
  };
}
