import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../../config/load.ts";
import type { IniSection } from "../../config/model.ts";
import { jailedUsers, usersByJail } from "../../jail/accounts/jailed-users.ts";
import { LARGEST_FSTAB, procTargets } from "../../populate/apply/proc.ts";
import { fileSystemAt } from "../../populate/file-system.ts";
import { searchPath } from "../../profile/search.ts";
import { namesIn } from "../../system/account-tools.ts";
import { accountFacts, hostAccounts } from "../../system/host-accounts.ts";
import { hostText } from "../../system/host-files.ts";
import { fstabField } from "../../system/mounts.ts";

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
export class Machine {
  readonly accounts = hostAccounts();
  readonly facts = accountFacts(this.accounts);
  readonly localGroups = once(() => new Set(namesIn("/etc/group")));
  /** The users of /etc/passwd in each jail. */
  readonly users = once(() => usersByJail(jailedUsers()));
  readonly #host = once(fileSystemAt);
  readonly #paths = new Map<ByteString, ByteString | undefined>();
  readonly #sockets = once(
    () => new Set(loadConfig(`${CONFIG_DIRECTORY}/jk_socketd.ini`, { dialect: "c" })?.sections.map(nameOf)),
  );
  readonly #procs = once(() => procTargets(hostText("/etc/fstab", LARGEST_FSTAB) ?? ""));
  readonly #settings = once(() => {
    const sections = loadConfig(SETTINGS_FILE, { dialect: "c" })?.sections ?? [];
    // Of equal names the first counts.
    return new Map(sections.toReversed().map((section) => [section.name, section]));
  });

  /** True if jk_socketd serves the log socket of a jail. Throws JailkitError. */
  hasLogSocket = (jail: ByteString): boolean => this.#sockets().has(`${jail}/dev/log`);

  /** True if fstab(5) mounts proc in a jail. */
  hasProcLine = (jail: ByteString): boolean => this.#procs().has(fstabField(`${jail}/proc`));

  /** The section of jk_chrootsh.ini for one user. Throws JailkitError. */
  settingsOf = (user: ByteString): IniSection | undefined => this.#settings().get(user);

  /** The path that an operand of jk_cp means. */
  pathOf = (operand: ByteString): ByteString | undefined =>
    operand.includes("/")
      ? normalPath(operand)
      : this.#paths.getOrInsertComputed(operand, () => searchPath(this.#host(), operand));
}

const nameOf = ({ name }: IniSection): ByteString => name;
