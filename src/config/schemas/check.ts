import type { KeyTable } from "../keys.ts";
import { listKey } from "../values.ts";

/** Sections of jk_check.ini: the absolute path of a jail. */
export const checkKeys = {
  ignorepatheverywhere: listKey("paths that are not checked, with all below them"),
  ignorepathoncompare: listKey("paths that are not compared with the host, with all below them"),
  ignorewritableforgroup: listKey("paths that may be writable for their group, with all below them"),
  ignorewritableforothers: listKey(
    "paths that may be writable for everybody and have ACLs, with all below them",
  ),
  ignoresetuidexecuteforuser: listKey("setuid and setgid files that the owner may execute"),
  ignoresetuidexecuteforgroup: listKey("setuid and setgid files that the group may execute"),
  ignoresetuidexecuteforothers: listKey("setuid and setgid files that everybody may execute"),
} as const satisfies KeyTable;
