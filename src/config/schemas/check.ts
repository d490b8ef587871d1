import type { KeyTable } from "../keys.ts";

const prefixes = { kind: "list", security: false } as const;

/** Sections of jk_check.ini: the absolute path of a jail. */
export const checkKeys = {
  ignorepatheverywhere: { ...prefixes, help: "below these nothing at all is checked" },
  ignorepathoncompare: { ...prefixes, help: "below these files are not compared with those of the host" },
  ignorewritableforgroup: {
    ...prefixes,
    help: "these, and what is below them, may be writable for their group",
  },
  ignorewritableforothers: {
    ...prefixes,
    help: "these, and what is below them, may be writable for everybody and have ACLs",
  },
  ignoresetuidexecuteforuser: { ...prefixes, help: "setuid and setgid files that the owner may execute" },
  ignoresetuidexecuteforgroup: { ...prefixes, help: "setuid and setgid files that the group may execute" },
  ignoresetuidexecuteforothers: { ...prefixes, help: "setuid and setgid files that everybody may execute" },
} as const satisfies KeyTable;
