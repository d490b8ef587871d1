import type { KeyTable } from "../keys.ts";

/** Sections of jk_update.ini: the absolute path of a jail. */
export const updateKeys = {
  skips: { kind: "list", security: false, help: "paths that are neither updated nor removed" },
  directories: { kind: "list", security: false, help: "directories of the jail that are updated" },
  hardlinks: { kind: "yesno", security: true, help: "1: link files instead of copying them" },
  hardlink: { kind: "yesno", security: true, help: "the same as hardlinks" },
} as const satisfies KeyTable;
