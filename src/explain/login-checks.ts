import type { Check } from "../enter/checks.ts";
import { HOST_CHECKS } from "../enter/login/host-checks.ts";
import { IN_JAIL_CHECKS } from "../enter/login/in-jail-checks.ts";
import {
  PROCMAIL_CALLER_CHECKS,
  PROCMAIL_HOST_CHECKS,
  PROCMAIL_IN_JAIL_CHECKS,
} from "../enter/procmail/checks.ts";
import {
  UCHROOT_CALLER_CHECKS,
  UCHROOT_HOST_CHECKS,
  UCHROOT_IN_JAIL_CHECKS,
} from "../enter/uchroot/checks.ts";

/** Every check of a login, in the order of jailkit 2.23. All of them come before chroot(2). */
export const LOGIN_CHECKS: readonly Check[] = [...HOST_CHECKS, ...IN_JAIL_CHECKS];

/** Every check of jk_uchroot, in order. */
export const UCHROOT_CHECKS = [...UCHROOT_CALLER_CHECKS, ...UCHROOT_HOST_CHECKS, ...UCHROOT_IN_JAIL_CHECKS];

/**
 * The checks of jk_procmailwrapper for mail to a user who is in no jail, and those that follow for a jailed user: before the
 * settings of jk_chrootsh.ini are read, and after.
 */
export const MAIL_CHECKS = {
  host: PROCMAIL_CALLER_CHECKS,
  jailedHost: PROCMAIL_HOST_CHECKS,
  inJail: PROCMAIL_IN_JAIL_CHECKS,
};

/** The checks of each program that refuses users, by its name. */
export const CHECKS_OF: Readonly<Record<string, readonly Pick<Check, "name" | "exitStatus">[]>> = {
  jk_chrootsh: LOGIN_CHECKS,
  jk_uchroot: UCHROOT_CHECKS,
  jk_procmailwrapper: [...MAIL_CHECKS.host, ...MAIL_CHECKS.jailedHost, ...MAIL_CHECKS.inJail],
};
