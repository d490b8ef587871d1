// Written by build/generate-login-tables.ts from the schemas: change those, and run it again.

/** The keys of jk_chrootsh.ini. */
export const chrootshKeys = {
  env: { kind: "list", security: false },
  relax_home_owner: { kind: "flag", security: true },
  relax_home_group: { kind: "flag", security: true },
  relax_home_group_permissions: { kind: "flag", security: true },
  relax_home_other_permissions: { kind: "flag", security: true },
  injail_shell: { kind: "text", security: true },
  skip_injail_passwd_check: { kind: "flag", security: true },
  injail_login_shell: { kind: "flag", security: true },
  no_new_privs: { kind: "flag", security: true },
} as const;

/** The keys of jk_lsh.ini. */
export const lshKeys = {
  executables: { kind: "list", security: true },
  paths: { kind: "list", security: false },
  allow_word_expansion: { kind: "flag", security: true },
  allow_spawn_options: { kind: "flag", security: true },
  umask: { kind: "octal", security: true },
  environment: { kind: "pairs", security: false },
  env: { kind: "list", security: false },
  no_new_privs: { kind: "flag", security: true },
} as const;

/** The keys of jk_uchroot.ini. */
export const uchrootKeys = {
  allowed_jails: { kind: "list", security: true },
  skip_injail_passwd_check: { kind: "flag", security: true },
  env: { kind: "list", security: false },
  allow_setuid: { kind: "flag", security: true },
} as const;
