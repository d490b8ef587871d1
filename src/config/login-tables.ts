// Written by build/generate-login-tables.ts from the schemas: change those, and run it again.

/** The keys of jk_chrootsh.ini. */
export const chrootshKeys = {
  env: { kind: "list", security: false },
  env_only: { kind: "flag", security: true },
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
  execute: { kind: "execute", security: true },
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

/** The keys of jk_init.ini. */
export const initKeys = {
  comment: { kind: "text", security: false },
  paths: { kind: "list", security: false },
  libraries: { kind: "list", security: false },
  executables: { kind: "list", security: false },
  regularfiles: { kind: "list", security: false },
  directories: { kind: "list", security: false },
  paths_w_owner: { kind: "list", security: false },
  paths_w_setuid: { kind: "list", security: false },
  emptydirs: { kind: "list", security: false },
  devices: { kind: "list", security: false },
  users: { kind: "list", security: false },
  groups: { kind: "list", security: false },
  includesections: { kind: "list", security: false },
  need_proc: { kind: "yesno", security: true },
  need_logsocket: { kind: "yesno", security: false },
} as const;
