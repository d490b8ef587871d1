import type { KeyTable } from "../keys.ts";

/** Sections of jk_uchroot.ini: a user, "group " and a group, or DEFAULT. */
export const uchrootKeys = {
  allowed_jails: {
    kind: "list",
    security: true,
    help: "absolute paths of the jails that the user may enter",
  },
  skip_injail_passwd_check: {
    kind: "flag",
    security: true,
    help: "1: the jail's etc/passwd need not know the user",
  },
  env: {
    kind: "list",
    security: false,
    help: "names of environment variables that are kept besides the usual ones",
  },
  allow_setuid: {
    kind: "flag",
    security: true,
    help: "1: setuid and setgid programs, and those with file capabilities, take effect in the jail; else they gain nothing",
  },
} as const satisfies KeyTable;
