import type { ByteString } from "../../../ffi/bytes.ts";
import type { Advice } from "../../cli/remedy.ts";
import type { KeyValues } from "../../config/keys.ts";
import type { uchrootKeys } from "../../config/schemas/uchroot.ts";
import type { Group } from "../../system/accounts.ts";
import type { Unsafe } from "../facts.ts";
import type { JailAccountFacts } from "../jail-account-checks.ts";

/** The settings of a section of jk_uchroot.ini; allowedJails is never empty. */
export type UchrootSettings = KeyValues<typeof uchrootKeys>;

/** The settings for a user and their source, or why there are none. */
export type UchrootSettingsFact =
  | { kind: "found"; values: UchrootSettings; section: ByteString; warnings: ByteString[] }
  /** No file, no section for the user, or one that allows no jail: `section`. */
  | { kind: "none"; reason: ByteString; section: ByteString | undefined };

/** The requested jail. */
export type AllowedJailFact =
  /** It is open, and the settings list it as `listed`. */
  | { kind: "opened"; listed: ByteString }
  | { kind: "not-allowed" }
  /** The settings list it under the requested path, but it cannot be reached. */
  | { kind: "unreachable"; reason: ByteString; advice?: Advice | undefined }
  /** The settings list it under the requested path, which is not plain. `real`: the directory. */
  | { kind: "not-plain"; reason: ByteString; real?: ByteString | undefined };

/** The requested program, as the jail sees it. */
export type ProgramFact =
  /**
   * `setuid`: its path on the host, if it is setuid or setgid. `executable`: the permission bits let the user execute it;
   * execve(2) has the last word.
   */
  | { kind: "file"; setuid: ByteString | undefined; executable: boolean }
  /** `advice`: if the user cannot pass a directory on the way. */
  | { kind: "missing"; reason: ByteString; advice?: Advice | undefined };

/** A group by its id, and its entry if the host has one. */
interface HostGroup {
  gid: number;
  entry: Group | undefined;
}

/** The facts that the checks of jk_uchroot need. */
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
  /** The supplementary groups with their entries on the host. Asks name services, so not inside the jail. */
  hostGroups(): HostGroup[];
  /** Those of hostGroups that the jail's etc/group lacks, without the primary one. */
  foreignGroups(): HostGroup[];
}

/** The settings; an earlier check has shown that they exist. */
export function uchrootSettingsOf(facts: UchrootFacts): UchrootSettings {
  const settings = facts.settings();
  if (settings.kind !== "found") throw new Error("there are no settings");
  return settings.values;
}
