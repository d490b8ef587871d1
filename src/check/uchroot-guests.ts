import type { ByteString } from "../../ffi/bytes.ts";
import { plainPath } from "../../ffi/paths.ts";
import { JailkitError } from "../cli/error.ts";
import { readKeys } from "../config/keys.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import type { IniFile } from "../config/model.ts";
import { selectSection } from "../config/scan.ts";
import { uchrootKeys } from "../config/schemas/uchroot.ts";
import { groupByGid, type PasswdEntry } from "../system/accounts.ts";

/** Tests whether jk_uchroot lets an account into a jail; nobody if its file is missing or cannot be used. */
export function uchrootGuests(
  jail: ByteString,
  file: ByteString = `${CONFIG_DIRECTORY}/jk_uchroot.ini`,
): (user: PasswdEntry) => boolean {
  let ini: IniFile | undefined;
  try {
    ini = loadConfig(file, { dialect: "c" });
  } catch (error) {
    // `jailkit config check` reports the error.
    if (!(error instanceof JailkitError)) throw error;
  }
  if (ini === undefined) return () => false;
  const found = ini;
  return ({ name, gid }) => {
    const section = selectSection(found, name, groupByGid(gid)?.name ?? "");
    return (
      section !== undefined &&
      readKeys(section, uchrootKeys).allowedJails.some((one) => plainPath(one) === jail)
    );
  };
}
