import type { Check } from "../enter/checks.ts";
import { HOST_CHECKS } from "../enter/login/host-checks.ts";
import { IN_JAIL_CHECKS } from "../enter/login/in-jail-checks.ts";

/** Every check of a login, in the order of jailkit 2.23. All of them come before chroot(2). */
export const CHECKS: readonly Check[] = [...HOST_CHECKS, ...IN_JAIL_CHECKS];
