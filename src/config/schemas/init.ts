import type { KeyTable } from "../keys.ts";

const paths = { kind: "list", security: false } as const;

/** Sections of jk_init.ini: what a jail may be given under this name. */
export const initKeys = {
  comment: { kind: "text", security: false, help: "one line for jk_init --list" },
  paths: { ...paths, help: "files and directories; a name without a slash is that of a program" },
  libraries: { ...paths, help: "as paths" },
  executables: { ...paths, help: "as paths" },
  regularfiles: { ...paths, help: "as paths" },
  directories: { ...paths, help: "as paths" },
  paths_w_owner: { ...paths, help: "as paths, and they keep their owner" },
  paths_w_setuid: { ...paths, help: "as paths, and they keep owner, setuid and setgid" },
  emptydirs: { ...paths, help: "directories that are created without what is in them" },
  devices: { ...paths, help: "device files" },
  users: { ...paths, help: "users that the jail's etc/passwd gets" },
  groups: { ...paths, help: "groups that the jail's etc/group gets" },
  includesections: { ...paths, help: "sections that come first" },
  need_proc: { kind: "yesno", security: true, help: "1: /proc is mounted in the jail" },
  need_logsocket: { kind: "yesno", security: false, help: "1: jk_socketd serves dev/log of the jail" },
} as const satisfies KeyTable;
