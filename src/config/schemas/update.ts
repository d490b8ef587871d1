import type { KeyTable } from "../keys.ts";
import { listKey } from "../values.ts";

/** Sections of jk_update.ini: the absolute path of a jail. */
export const updateKeys = {
  skips: listKey("paths that are neither updated nor removed"),
  directories: listKey("directories of the jail to update"),
  hardlinks: { kind: "yesno", security: true, help: "1: hard-link files instead of copying them" },
  hardlink: { kind: "yesno", security: true, help: "the same as hardlinks" },
} as const satisfies KeyTable;
