import type { ByteString } from "../../../ffi/bytes.ts";
import type { KeyValues } from "../../config/keys.ts";
import type { uchrootKeys } from "../../config/schemas/uchroot.ts";
import type { GroupEntry } from "../../system/accounts.ts";
import type { Unsafe } from "../facts.ts";
import type { JailAccountFacts } from "../jail-account-checks.ts";

/** What a section of jk_uchroot.ini says; allowedJails is never empty. */
export type UchrootSettings = KeyValues<typeof uchrootKeys>;

/** The settings for a user and where they come from, or why there are none. */
export type UchrootSettingsFact =
  | { kind: "found"; values: UchrootSettings; section: ByteString; warnings: ByteString[] }
  /** No file, no section for the user, or one that allows no jail: `section`. */
  | { kind: "none"; reason: ByteString; section: ByteString | undefined };

/** What became of the jail that was asked for. */
export type AllowedJailFact =
  /** It is one of the allowed jails, which stands in the settings as `listed`, and is open. */
  | { kind: "opened"; listed: ByteString }
  | { kind: "not-allowed" }
  /** It stands in the settings as it was asked for, but cannot be reached. */
  | { kind: "unreachable"; reason: ByteString; remedy?: ByteString }
  /** It stands in the settings as it was asked for, but not by its plain path. `real`: where it leads. */
  | { kind: "not-plain"; reason: ByteString; real?: ByteString };

/** The program that was asked for, as the jail sees it. */
export type ProgramFact =
  /** `executable`: the permission bits let the user execute it; execve(2) has the last word. */
  { kind: "file"; setuid: boolean; executable: boolean } | { kind: "missing"; reason: ByteString };

/** A group by its id, and its entry where the host has one. */
interface HostGroup {
  gid: number;
  entry: GroupEntry | undefined;
}

/** All that the checks of jk_uchroot ask for. */
export interface UchrootFacts extends JailAccountFacts {
  /** The value of -j, word for word. */
  readonly askedJail: ByteString;
  /** The value of -x, word for word. */
  readonly askedProgram: ByteString;
  settings(): UchrootSettingsFact;
  allowedJail(): AllowedJailFact;
  /** The path of the opened jail. */
  jailPath(): ByteString;
  jailFindings(): Unsafe[];
  program(): ProgramFact;
  /** The supplementary groups with their entries on the host. Asks name services: not from within the jail. */
  hostGroups(): HostGroup[];
  /** Those of hostGroups, but for the primary one, that the jail's etc/group lacks. */
  foreignGroups(): HostGroup[];
}

/** The settings, of which an earlier check has shown that there are some. */
export function uchrootSettingsOf(facts: UchrootFacts): UchrootSettings {
  const settings = facts.settings();
  if (settings.kind !== "found") throw new Error("there are no settings");
  return settings.values;
}
