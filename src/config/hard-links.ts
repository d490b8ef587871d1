import type { ByteString } from "../../ffi/bytes.ts";
import { plainPath } from "../../ffi/paths.ts";
import { answered } from "../cli/error.ts";
import { readKeys } from "./keys.ts";
import { CONFIG_DIRECTORY, loadConfig } from "./load.ts";
import { updateKeys } from "./schemas/update.ts";

/** True if jk_update.ini asks for hard links in a jail; false also for a file that cannot be read. */
export function wantsHardLinks(jail: ByteString): boolean {
  const ini = answered(() => loadConfig(`${CONFIG_DIRECTORY}/jk_update.ini`, { dialect: "py" }));
  const section = ini?.sections.find(({ name }) => name.startsWith("/") && plainPath(name) === jail);
  const { hardlinks, hardlink } = readKeys(section, updateKeys);
  return hardlinks === true || hardlink === true;
}
