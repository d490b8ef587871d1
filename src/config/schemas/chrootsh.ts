import type { KeyTable } from "../keys.ts";

/** Sections of jk_chrootsh.ini: a user, "group " and a group, or DEFAULT. */
export const chrootshKeys = {
  env: {
    kind: "list",
    security: false,
    help: "names of environment variables that are handed on too, whatever they hold",
  },
  env_only: {
    kind: "flag",
    security: true,
    help: "1: of the caller's environment nothing else is handed on, as in jailkit 2.23",
  },
  relax_home_owner: {
    kind: "flag",
    security: true,
    help: "1: the home directory need not belong to the user",
  },
  relax_home_group: {
    kind: "flag",
    security: true,
    help: "1: the home directory need not belong to the primary group of the user",
  },
  relax_home_group_permissions: {
    kind: "flag",
    security: true,
    help: "1: the group, and nobody whom an ACL names, may write to the home directory",
  },
  relax_home_other_permissions: {
    kind: "flag",
    security: true,
    help: "1: everybody, and whom an ACL names, may write to the home directory",
  },
  injail_shell: {
    kind: "text",
    security: true,
    help: "the shell to start in the jail, instead of the one in the jail's etc/passwd",
  },
  skip_injail_passwd_check: {
    kind: "flag",
    security: true,
    help: "1: the jail's etc/passwd need not know the user",
  },
  injail_login_shell: {
    kind: "flag",
    security: true,
    help: "1: start the shell with the one argument --login, whatever arguments were given",
  },
  no_new_privs: {
    kind: "flag",
    security: true,
    help: "1: setuid and setgid programs in the jail gain nothing (prctl(2), PR_SET_NO_NEW_PRIVS)",
  },
} as const satisfies KeyTable;
