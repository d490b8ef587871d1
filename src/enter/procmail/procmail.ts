import { SystemError } from "../../../ffi/error.ts";
import { args, environment, execve } from "../../../ffi/guard.ts";
import { dropAllCapabilities } from "../../../ffi/process.ts";
import type { Audit } from "../audit.ts";
import { confineSession, NOT_CONFINED } from "../confine-session.ts";
import { accountOf, splitOf } from "../facts.ts";
import { enterLogin, notExecuted, ownLogin, requireChecks, runPrivileged } from "../privileged.ts";
import { Refusal } from "../refusal.ts";
import { NOT_FILTERED } from "../session.ts";
import {
  deliveryConfinement,
  gatherProcmail,
  isJailedHome,
  PROCMAIL,
  PROCMAIL_CALLER_CHECKS,
  PROCMAIL_HOST_CHECKS,
  PROCMAIL_IN_JAIL_CHECKS,
  PROCMAIL_WRAPPER,
  TRY_AGAIN,
} from "./checks.ts";

/**
 * Becomes the host's procmail, with arguments and environment unchanged, but not argv[0]: under another name, procmail
 * takes its arguments for recipients.
 */
function deliverOutside(): never {
  dropAllCapabilities();
  try {
    return execve(PROCMAIL, [PROCMAIL, ...args().slice(1)], environment());
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const what = `failed to execute ${PROCMAIL}: ${error.reason}`;
    throw new Refusal("exec", 1, `abort, ${what}`, "procmail cannot be run", "install procmail");
  }
}

function deliver(log: Audit): never {
  // The environment of a mail server says nothing about the recipient.
  const login = ownLogin(PROCMAIL_WRAPPER, undefined, log);
  const facts = gatherProcmail(login);
  requireChecks(facts, PROCMAIL_CALLER_CHECKS, log);
  const account = accountOf(facts);
  if (!isJailedHome(account.home)) deliverOutside();
  requireChecks(facts, PROCMAIL_HOST_CHECKS, log);
  const { jail, home } = splitOf(facts);
  const { name, uid } = account;

  const confinement = deliveryConfinement(login);
  enterLogin(facts, confinement.noNewPrivs, PROCMAIL_IN_JAIL_CHECKS, log);
  const given = args().slice(1);
  log.write("info", `now entering jail ${jail} for user ${name} (${uid}) with arguments ${given.join(" ")}`);
  confineSession(confinement, { log, program: PROCMAIL });
  const { limits } = confinement;
  try {
    return execve(PROCMAIL, [PROCMAIL, ...given], [`HOME=${home}`, `USER=${name}`], { limits });
  } catch (error) {
    throw notExecuted(error, PROCMAIL, account, `${jail}${PROCMAIL}`, "procmail cannot be run");
  }
}

// Statuses that jailkit 2.23 does not have. A mail server returns the mail for any but TRY_AGAIN.
const KEEPS_MAIL = [NOT_FILTERED, NOT_CONFINED];

/** Delivers; if the kernel does not limit the delivery as the settings ask, the mail is kept until that is mended. */
function deliverOrKeep(log: Audit): number {
  try {
    return deliver(log);
  } catch (error) {
    if (!(error instanceof Refusal) || !KEEPS_MAIL.includes(error.exitStatus)) throw error;
    const { check, reason, shown, advice } = error;
    throw new Refusal(check, TRY_AGAIN, reason, shown, advice);
  }
}

/**
 * jk_procmailwrapper: delivers the mail on standard input through procmail, in the jail of the account that it runs as,
 * or on the host if the account has none; see runPrivileged. After an unexpected error, such as a lack of memory, the mail
 * is kept.
 */
export const procmailWrapper = (): number => runPrivileged(PROCMAIL_WRAPPER, deliverOrKeep, TRY_AGAIN);
