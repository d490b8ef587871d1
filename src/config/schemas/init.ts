import type { KeyTable } from "../keys.ts";
import { listKey } from "../values.ts";

/**
 * An item that starts with this means a path below each directory of libraries. It is not absolute, and it has a slash, so
 * it cannot be the name of a file or program.
 */
export const LIBRARY_DIRECTORY = "$LIBDIR/";

/** A directory of this name in a path means one for each language of the locales of the host. */
export const LANGUAGE_DIRECTORY = "/$LANGUAGE/";

/** Sections of jk_init.ini: a name for files that a jail can get. */
export const initKeys = {
  comment: { kind: "text", security: false, help: "one line, which jk_init --list shows" },
  paths: listKey("files and directories; a name without a slash is the name of a program"),
  libraries: listKey("the same as paths"),
  executables: listKey("the same as paths"),
  regularfiles: listKey("the same as paths"),
  directories: listKey("the same as paths"),
  paths_w_owner: listKey("like paths; files keep their owner"),
  paths_w_setuid: listKey("like paths; files keep owner, setuid and setgid"),
  emptydirs: listKey("directories that are created empty"),
  devices: listKey("device files"),
  users: listKey("users to add to the jail's etc/passwd"),
  groups: listKey("groups to add to the jail's etc/group"),
  includesections: listKey("sections to include before this one"),
  sockets: listKey(
    "sockets of services of the host, below /run; the directory of each is mounted in the jail, read-only",
  ),
  need_proc: {
    kind: "yesno",
    security: true,
    help: "1: mount /proc in the jail, with links such as /dev/fd",
  },
  need_logsocket: { kind: "yesno", security: false, help: "1: jk_socketd serves dev/log of the jail" },
} as const satisfies KeyTable;
