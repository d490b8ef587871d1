import type { KeyTable } from "../keys.ts";
import { LOG_FORMAT } from "../log-format.ts";
import { flagKey, listKey } from "../values.ts";
import { confineKeys } from "./confine.ts";

/** Sections of jk_chrootsh.ini: a user, "group " or "member " and a group, or DEFAULT. */
export const chrootshKeys = {
  env: listKey("names of more environment variables to pass on, whatever their value"),
  env_only: { ...flagKey("pass on no other variable of the caller, as jailkit 2.23 does"), strictest: "1" },
  relax_home_owner: flagKey("the home directory need not belong to the user"),
  relax_home_group: flagKey("the home directory need not belong to the primary group of the user"),
  relax_home_group_permissions: flagKey(
    "the group may write to the home directory, but no user or group of an ACL",
  ),
  relax_home_other_permissions: flagKey(
    "everybody, and the users and groups of an ACL, may write to the home directory",
  ),
  injail_shell: {
    kind: "text",
    security: true,
    help: "the shell to start in the jail, instead of the one in the jail's etc/passwd",
  },
  skip_injail_passwd_check: flagKey("the user may be missing from the jail's etc/passwd"),
  injail_login_shell: flagKey(
    "start the shell with --login as its only argument, whatever arguments were given",
  ),
  ...confineKeys,
  // Here an empty one would be no limit.
  execute: { ...confineKeys.execute, filled: true },
  log_format: LOG_FORMAT,
} as const satisfies KeyTable;
