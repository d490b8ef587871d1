import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { CONFIG_DIRECTORY } from "../../config/load.ts";
import type { IniSection } from "../../config/model.ts";
import { fileSystemAt } from "../../populate/file-system.ts";
import { searchPath } from "../../profile/search.ts";
import { namesIn } from "../../system/account-tools.ts";
import { HostSources } from "../../transfer/host.ts";

/** Where sections of jk_chrootsh.ini for single users go. */
export const SETTINGS_FILE = `${CONFIG_DIRECTORY}/jk_chrootsh.ini`;

/** Calls once, at the first use. */
function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** What jails and users of this machine are compared with; each file is read once. */
export class Machine extends HostSources {
  readonly localGroups = once(() => new Set(namesIn("/etc/group")));
  readonly #host = once(fileSystemAt);
  readonly #paths = new Map<ByteString, ByteString | undefined>();
  // Of equal names the first counts.
  readonly #settingsOf = once(
    () => new Map(this.settings.toReversed().map((section) => [section.name, section])),
  );

  /** The section of jk_chrootsh.ini for one user. Throws JailkitError. */
  settingsOf = (user: ByteString): IniSection | undefined => this.#settingsOf().get(user);

  /** The path that an operand of jk_cp means. */
  pathOf = (operand: ByteString): ByteString | undefined =>
    operand.includes("/")
      ? normalPath(operand)
      : this.#paths.getOrInsertComputed(operand, () => searchPath(this.#host(), operand));
}
