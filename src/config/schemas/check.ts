import type { KeyTable } from "../keys.ts";

const prefixes = { kind: "list", security: false } as const;

/** Sections of jk_check.ini: the absolute path of a jail. */
export const checkKeys = {
  ignorepatheverywhere: { ...prefixes, help: "paths that are not checked, with all below them" },
  ignorepathoncompare: {
    ...prefixes,
    help: "paths that are not compared with the host, with all below them",
  },
  ignorewritableforgroup: {
    ...prefixes,
    help: "paths that may be writable for their group, with all below them",
  },
  ignorewritableforothers: {
    ...prefixes,
    help: "paths that may be writable for everybody and have ACLs, with all below them",
  },
  ignoresetuidexecuteforuser: { ...prefixes, help: "setuid and setgid files that the owner may execute" },
  ignoresetuidexecuteforgroup: { ...prefixes, help: "setuid and setgid files that the group may execute" },
  ignoresetuidexecuteforothers: { ...prefixes, help: "setuid and setgid files that everybody may execute" },
} as const satisfies KeyTable;
