import type { ByteString } from "../../../ffi/bytes.ts";
import { inWords } from "../../cli/remedy.ts";
import { readKeys } from "../../config/keys.ts";
import { chrootshKeys } from "../../config/schemas/chrootsh.ts";
import { type Confinement, confinementOf, executeOf } from "../../confine/policy.ts";
import { callerChecks, programName } from "../caller-checks.ts";
import { type Check, check, failed, programVerdict, type Verdict } from "../checks.ts";
import { accountOf, type LoginFacts, splitOf } from "../facts.ts";
import { type GatheredFacts, gatherFacts, type Login, memoized } from "../gather.ts";
import { HOST_CHECKS } from "../login/host-checks.ts";
import { IN_JAIL_CHECKS } from "../login/in-jail-checks.ts";
import { recopyRemedy } from "../remedies.ts";
import { shellFact } from "../shell.ts";

/** The name of the wrapper. */
export const PROCMAIL_WRAPPER = "jk_procmailwrapper";

/** procmail(1), on the host and in every jail. Neither a caller nor a jail can choose another. */
export const PROCMAIL = "/usr/bin/procmail";

/** EX_TEMPFAIL of sysexits.h: the mail server keeps the mail and tries again later. */
export const TRY_AGAIN = 75;

/**
 * True for a home with "/./", or with "/." at its end. The latter names no jail and is refused later: the recipes of an
 * account that was meant to be jailed must not run outside. A dot in a name does not matter.
 */
export function isJailedHome(home: ByteString): boolean {
  return /\/\.(?:\/|$)/.test(home);
}

/** The checks of these names, in this order. */
function pick<F>(checks: readonly Check<F>[], ...names: string[]): Check<F>[] {
  return names.map((name) => {
    const found = checks.find((check) => check.name === name);
    if (found === undefined) throw new Error(`there is no check ${name}`);
    return found;
  });
}

const CALLER = callerChecks(PROCMAIL_WRAPPER, () =>
  inWords(`have the mail server deliver as the recipient, not as root; ${PROCMAIL} itself delivers for root`),
);

/**
 * The checks of every delivery. They fail if a name service is down or the mail server is misconfigured, so the mail must
 * be kept.
 */
export const PROCMAIL_CALLER_CHECKS: readonly Check<LoginFacts>[] = pick(CALLER, "not-root", "account").map(
  (check) => ({ ...check, exitStatus: TRY_AGAIN }),
);

/** The checks of a delivery into a jail on the host, in the order of jailkit 2.23. */
export const PROCMAIL_HOST_CHECKS: readonly Check<LoginFacts>[] = [
  programName(PROCMAIL_WRAPPER, [PROCMAIL_WRAPPER, `-${PROCMAIL_WRAPPER}`]),
  ...pick(CALLER, "privilege", "group", "groups"),
  ...pick(
    HOST_CHECKS,
    "primary-group",
    "separator",
    "jail-reachable",
    "jail-path",
    "jail-safety",
    "home-present",
    "home-owner",
  ),
];

function judgeProcmail(facts: LoginFacts): Verdict {
  const { jail } = splitOf(facts);
  const { name, uid } = accountOf(facts);
  const found = facts.shell();
  const refusal = (reason: ByteString) =>
    `ERROR: failed to execute ${PROCMAIL} for user ${name} (${uid}): ${reason}, check ${jail}${PROCMAIL}`;
  if (found.kind !== "file") {
    const reason = found.kind === "missing" ? found.reason : "it is another program";
    const advice = found.kind === "missing" ? found.advice : undefined;
    return failed(refusal(reason), advice ?? recopyRemedy(jail, PROCMAIL));
  }
  return programVerdict(PROCMAIL, found.unsafe, refusal);
}

/** The checks of a delivery in the jail. */
export const PROCMAIL_IN_JAIL_CHECKS: readonly Check<LoginFacts>[] = [
  ...pick(
    IN_JAIL_CHECKS,
    "jail-user",
    "jail-group",
    "jail-user-name",
    "jail-group-name",
    "jail-home",
    "home-entry",
  ),
  check("procmail", 111, "procmail cannot be run", ["jail-path", "account"], judgeProcmail),
];

/**
 * The facts of a delivery: those of a login without a configuration, and with procmail as the program. procmail checks
 * itself who else can write to the home.
 */
export function gatherProcmail(login: Login): GatheredFacts {
  const facts = gatherFacts(login);
  return {
    ...facts,
    settings: () => ({ values: readKeys(undefined, chrootshKeys), section: undefined, warnings: [] }),
    shell: memoized(() => shellFact(facts.root(), PROCMAIL, login.asked)),
  };
}

/**
 * What jk_chrootsh.ini lets the recipient's sessions do: it holds for the programs of recipes, too, which would be a way out
 * of it. Call it after the checks on the host. Throws a JailkitError if the file cannot be used.
 */
export function deliveryConfinement(login: Login): Confinement {
  const facts = gatherFacts(login);
  const { values } = facts.settings();
  const { home } = splitOf(facts);
  return confinementOf(values, false, executeOf(values, false, [PROCMAIL], home), home);
}
