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

/** The changes before the login. */
interface PlannedChange {
  /** Ids of groups that the account will join. */
  joins: readonly number[];
  /** The directory of the host that will become the home, with its owner, mode and ACL. */
  moveFrom: ByteString | undefined;
}

/**
 * The reason why jk_chrootsh would refuse the home of an account, as a printable line with the remedy; undefined if it
 * would not. Makes the checks of jk_chrootsh with the user's rights, which only root can do.
 */
export function homeFault(
  account: PasswdEntry,
  { joins, moveFrom }: PlannedChange = { joins: [], moveFrom: undefined },
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
  return `${display(name)} cannot log in, ${why}; fix it with: ${fault.remedy ?? ""}`;
}

/** The facts of a login after the home has moved to its new path, where nothing exists yet. */
function whenMoved(facts: GatheredFacts, from: ByteString): GatheredFacts {
  const stat = statIfPresent(AT_FDCWD, from);
  const acl = aclAt(AT_FDCWD, from);
  return {
    ...facts,
    // Fails if the user cannot reach the path.
    home: () => facts.home() ?? stat,
    homeOwner: () => stat && passwdByUid(stat.uid),
    homeAcl: () => acl,
    onlyRootExchangesHome() {
      // Missing directories will belong to root.
      const above = nearestDirectory(facts.root(), directoryOf(splitOf(facts).home));
      release(above);
      return above.trusted;
    },
  };
}
