import type { KeyTable } from "../keys.ts";
import { LOG_FORMAT } from "../log-format.ts";
import { flagKey, listKey } from "../values.ts";
import { confineKeys } from "./confine.ts";

/** Sections of jk_uchroot.ini: a user, "group " or "member " and a group, or DEFAULT. */
export const uchrootKeys = {
  allowed_jails: {
    kind: "list",
    security: true,
    help: "absolute paths of the jails that the user may enter",
  },
  skip_injail_passwd_check: flagKey("the user may be missing from the jail's etc/passwd"),
  env: listKey("names of more environment variables to keep"),
  allow_setuid: flagKey(
    "setuid and setgid programs, and programs with file capabilities, get their privileges in the jail; otherwise they gain nothing",
  ),
  ...confineKeys,
  // Here an empty one would be no limit.
  execute: { ...confineKeys.execute, filled: true },
  log_format: LOG_FORMAT,
} as const satisfies KeyTable;
