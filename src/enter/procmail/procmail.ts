import { SystemError } from "../../../ffi/error.ts";
import { args, environment, execve } from "../../../ffi/guard.ts";
import { dropAllCapabilities } from "../../../ffi/process.ts";
import { openSyslog, type Syslog } from "../../system/syslog.ts";
import { accountOf, splitOf } from "../facts.ts";
import type { GatheredFacts } from "../gather.ts";
import { ownLogin, requireChecks, unexpectedError } from "../privileged.ts";
import { Refusal, refuse } from "../refusal.ts";
import { enterHome, enterJail } from "../session.ts";
import {
  isJailedHome,
  PROCMAIL,
  PROCMAIL_CALLER_CHECKS,
  PROCMAIL_HOST_CHECKS,
  PROCMAIL_IN_JAIL_CHECKS,
  PROCMAIL_WRAPPER,
  TRY_AGAIN,
} from "./checks.ts";
import { gatherProcmail } from "./facts.ts";

function callerFacts(): GatheredFacts {
  // The environment of a mail server says nothing about the recipient.
  return gatherProcmail(ownLogin(PROCMAIL_WRAPPER, undefined));
}

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

function deliver(log: Syslog): never {
  const facts = callerFacts();
  requireChecks(facts, PROCMAIL_CALLER_CHECKS, log);
  const { name, home: wholeHome } = accountOf(facts);
  if (!isJailedHome(wholeHome)) deliverOutside();
  requireChecks(facts, PROCMAIL_HOST_CHECKS, log);
  const { uid, gid } = facts;
  const { jail, home } = splitOf(facts);
  const checkedHome = facts.home();

  enterJail(facts.root(), { uid, gid, groups: facts.groups() }, false, log);
  // From here on the process has only the user's rights, and sees only the jail.
  requireChecks(facts, PROCMAIL_IN_JAIL_CHECKS, log);
  if (checkedHome === undefined) throw new Error("a check was left out");
  enterHome(home, checkedHome);
  const given = args().slice(1);
  log.write("info", `now entering jail ${jail} for user ${name} (${uid}) with arguments ${given.join(" ")}`);
  try {
    return execve(PROCMAIL, [PROCMAIL, ...given], [`HOME=${home}`, `USER=${name}`]);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const what = `ERROR: failed to execute ${PROCMAIL} for user ${name} (${uid}): ${error.reason}`;
    const hint = `check the permissions and libraries of ${jail}${PROCMAIL}`;
    throw new Refusal("exec", 111, `${what}, ${hint}`, "procmail cannot be run");
  }
}

/** An unexpected error, such as a lack of memory: the mail is kept. */
function keptFor(error: unknown): Refusal {
  const { code, reason, shown } = unexpectedError(error);
  return new Refusal(code, TRY_AGAIN, reason, shown);
}

/**
 * jk_procmailwrapper: delivers the mail on standard input through procmail, in the jail of the account that it runs as,
 * or on the host if the account has none. Returns the exit status of a refusal; the log has the reason then, and the mail
 * server an error id.
 */
export function procmailWrapper(): number {
  // Before the chroot, to reach the host's log.
  const log = openSyslog(PROCMAIL_WRAPPER, "auth");
  try {
    return deliver(log);
  } catch (error) {
    return refuse(error instanceof Refusal ? error : keptFor(error), PROCMAIL_WRAPPER, log);
  }
}
