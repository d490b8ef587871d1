import type { ByteString } from "../../ffi/bytes.ts";
import { plainPath } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { readKeys } from "../config/keys.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import type { IniSection } from "../config/model.ts";
import { uchrootKeys } from "../config/schemas/uchroot.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { jailedUsers, namesOf, usersByJail } from "../jail/accounts/jailed-users.ts";
import { knownServiceUsers } from "../jail/accounts/service-users.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { bootFaultsIn, directoriesByJail } from "../populate/apply/live-lines.ts";
import { fstabText, procTargets } from "../populate/apply/proc.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { accountFacts, hostAccounts, hostShadow } from "../system/host-accounts.ts";
import { splitHome } from "../system/separator.ts";
import { accountAge, today } from "../system/shadow.ts";

const sectionsIn = (name: string): readonly IniSection[] =>
  loadConfig(`${CONFIG_DIRECTORY}/${name}`, { dialect: "c" })?.sections ?? [];

/** What jails are looked up in, to be exported or compared: thousands of them read each file of the host once. */
export class HostSources {
  /** Of /etc/passwd. */
  readonly users = jailedUsers();
  readonly names = namesOf(this.users);
  readonly byJail = usersByJail(this.users);
  readonly accounts = hostAccounts();
  readonly facts = accountFacts(this.accounts);
  #shadowOf: ReturnType<typeof hostShadow> | undefined;
  #settings: readonly IniSection[] | undefined;
  #logSockets: ReadonlyMap<ByteString, IniSection> | undefined;
  #otherSockets: readonly IniSection[] | undefined;
  #guests: readonly { section: IniSection; jails: readonly ByteString[] }[] | undefined;
  #fstabText: ByteString | undefined;
  #proc: ReadonlyMap<ByteString, ByteString> | undefined;
  #live: ReturnType<typeof bootFaultsIn> | undefined;
  #liveDirectories: ReturnType<typeof directoriesByJail> | undefined;

  /** As hostShadow. */
  shadowOf(name: ByteString): ReturnType<ReturnType<typeof hostShadow>> {
    this.#shadowOf ??= hostShadow();
    return this.#shadowOf(name);
  }

  /** The sections of jk_chrootsh.ini. Throws JailkitError if it cannot be read. */
  get settings(): readonly IniSection[] {
    this.#settings ??= sectionsIn("jk_chrootsh.ini");
    return this.#settings;
  }

  /** The sections of jk_uchroot.ini that let somebody into a jail. Throws JailkitError if it cannot be read. */
  guestsOf(jail: ByteString): IniSection[] {
    this.#guests ??= sectionsIn("jk_uchroot.ini").map((section) => ({
      section,
      jails: readKeys(section, uchrootKeys).allowedJails.map(plainPath),
    }));
    return this.#guests.flatMap(({ section, jails }) => (jails.includes(jail) ? section : []));
  }

  #sockets(): ReadonlyMap<ByteString, IniSection> {
    // Of equal names the first counts.
    this.#logSockets ??= new Map(
      sectionsIn("jk_socketd.ini")
        .toReversed()
        .map((section) => [section.name, section]),
    );
    return this.#logSockets;
  }

  /** The section of jk_socketd.ini for the log socket of a jail. Throws JailkitError if the file cannot be read. */
  logSocketOf(jail: ByteString): IniSection | undefined {
    return this.#sockets().get(`${jail}/dev/log`);
  }

  /** Those for other sockets in it; one with that name may be of a jail in this one. */
  otherSocketsOf(jail: ByteString): IniSection[] {
    this.#otherSockets ??= [
      ...this.#sockets()
        .values()
        .filter(({ name }) => !name.endsWith("/dev/log")),
    ];
    return this.#otherSockets.filter(({ name }) => name.startsWith(`${jail}/`));
  }

  /** The text of fstab(5). */
  get fstab(): ByteString {
    this.#fstabText ??= fstabText();
    return this.#fstabText;
  }

  /** With which options fstab(5) mounts proc in a jail; undefined if it does not. */
  procOptionsOf(jail: ByteString): ByteString | undefined {
    this.#proc ??= procTargets(this.fstab);
    return this.#proc.get(`${jail}/proc`);
  }

  /** Why fstab(5) does not mount a directory of the host in a jail, with all restrictions; undefined if it does. */
  bootFaultOf(jail: ByteString, directory: ByteString): string | undefined {
    this.#live ??= bootFaultsIn(this.fstab);
    return this.#live(jail, directory);
  }

  /** The directories of the host for which fstab(5) has lines of jailkit in a jail. */
  liveDirectoriesOf(jail: ByteString): readonly ByteString[] {
    this.#liveDirectories ??= directoriesByJail(this.fstab);
    return this.#liveDirectories.get(jail) ?? [];
  }

  /** True if fstab(5) mounts proc in a jail. */
  mountsProc(jail: ByteString): boolean {
    return this.procOptionsOf(jail) !== undefined;
  }
}

/** A user of a jail. */
export interface Resident {
  readonly user: PasswdEntry;
  /** As the jail sees it. */
  readonly home: ByteString;
  /** In the jail's etc/passwd; undefined if the user is not there. */
  readonly shell: ByteString | undefined;
  /** It is in /etc/passwd, not in a name service. */
  readonly local: boolean;
}

/** The users of a jail, and a printable line for each that may be missing. */
export function residentsOf(root: JailRoot, host: HostSources, warnings: string[]): Resident[] {
  const services = knownServiceUsers(root, host.names, host.accounts);
  if (services.unknown !== undefined) warnings.push(`users may be missing: ${services.unknown}`);
  // Of equal names the first counts.
  const inside = new Map(
    readJailAccounts(root)
      .users.toReversed()
      .map(({ name, shell }) => [name, shell]),
  );
  const here = [...(host.byJail.get(root.path) ?? []), ...services.users];
  return here.flatMap(({ name, fromService = false }) => {
    const user = host.accounts.userByName(name);
    const home = splitHome(user?.home ?? "")?.home;
    if (user === undefined || home === undefined) {
      warnings.push(`user ${quoted(name)} cannot be looked up, and is left out`);
      return [];
    }
    const shell = inside.get(name);
    return [{ user, home: home.startsWith("/") ? home : `/${home}`, shell, local: !fromService }];
  });
}

const ageOf = (name: ByteString, host: HostSources) => {
  const shadow = host.shadowOf(name);
  return shadow && accountAge(shadow, today());
};

/** True for an account that has expired, as one that is suspended: see shadow(5). */
export const isExpired = (name: ByteString, host: HostSources): boolean =>
  ageOf(name, host) === "account-expired";

/** Why the age of its password closes an account that has not expired, also for a login by a key; undefined if it does not. */
export function passwordFault(name: ByteString, host: HostSources): string | undefined {
  const age = ageOf(name, host);
  if (age === "password-expired") return "its password has expired, and so has the time to change it";
  if (age === "password-must-change")
    return "its password must be changed at the next login, which is impossible in a jail";
  return undefined;
}

/** The date on which an account expires, as usermod(8) wants it, which takes 1 for long ago; undefined for never. */
export function expiryOf(name: ByteString, host: HostSources): string | undefined {
  const { expire = -1 } = host.shadowOf(name) ?? {};
  if (expire < 0) return undefined;
  const isDate = expire >= 10_000 && expire <= 1_000_000;
  return isDate ? new Date(expire * 86_400_000).toISOString().slice(0, 10) : `${expire}`;
}
