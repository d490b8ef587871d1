import type { KeyTable } from "../keys.ts";

const paths = { kind: "list", security: false } as const;

/** Sections of jk_init.ini: a name for files that a jail can get. */
export const initKeys = {
  comment: { kind: "text", security: false, help: "one line, which jk_init --list shows" },
  paths: { ...paths, help: "files and directories; a name without a slash is the name of a program" },
  libraries: { ...paths, help: "as paths" },
  executables: { ...paths, help: "as paths" },
  regularfiles: { ...paths, help: "as paths" },
  directories: { ...paths, help: "as paths" },
  paths_w_owner: { ...paths, help: "as paths; files keep their owner" },
  paths_w_setuid: { ...paths, help: "as paths; files keep owner, setuid and setgid" },
  emptydirs: { ...paths, help: "directories that are created empty" },
  devices: { ...paths, help: "device files" },
  users: { ...paths, help: "users to add to the jail's etc/passwd" },
  groups: { ...paths, help: "groups to add to the jail's etc/group" },
  includesections: { ...paths, help: "sections to include before this one" },
  need_proc: { kind: "yesno", security: true, help: "1: mount /proc in the jail" },
  need_logsocket: { kind: "yesno", security: false, help: "1: jk_socketd serves dev/log of the jail" },
} as const satisfies KeyTable;
