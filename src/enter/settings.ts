import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { readKeys } from "../config/keys.ts";
import { loadConfig, requireNoErrors } from "../config/load.ts";
import { problemLine } from "../config/model.ts";
import { selectSection } from "../config/scan.ts";
import { chrootshKeys } from "../config/schemas/chrootsh.ts";
import type { ChrootshSettings } from "./facts.ts";

// The exit status of jk_chrootsh if the configuration cannot be used.
const CONFIG_STATUS = 14;

/** The settings for a login, and their source. */
export interface Settings {
  values: ChrootshSettings;
  /** The section's name; undefined for the built-in settings. */
  section: ByteString | undefined;
  warnings: ByteString[];
}

/**
 * Reads the settings of jk_chrootsh for a user of that name and primary group. Without a file or a section for them the
 * built-in ones apply. A file that cannot be read or understood is an error.
 */
export function readSettings(file: ByteString, user: ByteString, group: ByteString): Settings {
  const ini = loadConfig(file, { dialect: "c", exitStatus: CONFIG_STATUS });
  const section = ini === undefined ? undefined : selectSection(ini, user, group);
  const { problems, ...values } = readKeys(section, chrootshKeys);
  requireNoErrors(problems, CONFIG_STATUS);
  const warnings: ByteString[] = [];
  for (const one of [...(ini?.problems ?? []), ...problems])
    warnings.push(problemLine(one, display(one.file)));
  return { values, section: section?.name, warnings };
}
