import type { KeyTable } from "../keys.ts";
import { listKey } from "../values.ts";

/** Sections of jk_check.ini: the absolute path of a jail. */
export const checkKeys = {
  ignorepatheverywhere: listKey("paths that are not checked"),
  ignorepathoncompare: listKey("paths that are not compared with the host"),
  ignorewritableforgroup: listKey("paths that may be writable by their group"),
  ignorewritableforothers: listKey("paths that may be writable by everybody, and have ACLs"),
  ignoresetuidexecuteforuser: listKey("setuid and setgid files that the owner may execute"),
  ignoresetuidexecuteforgroup: listKey("setuid and setgid files that the group may execute"),
  ignoresetuidexecuteforothers: listKey("setuid and setgid files that everybody may execute"),
} as const satisfies KeyTable;
