import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { type Stat, statIfPresent } from "../../ffi/files.ts";
import { pathsDownTo, plainPath } from "../../ffi/paths.ts";
import { answered, JailkitError } from "../cli/error.ts";
import { type Advice, inWords } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import { readKeys } from "../config/keys.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import type { IniFile, IniSection } from "../config/model.ts";
import { memberBy, selectSection } from "../config/scan.ts";
import { chrootshKeys } from "../config/schemas/chrootsh.ts";
import { uchrootKeys } from "../config/schemas/uchroot.ts";
import type { ChrootshSettings } from "../enter/facts.ts";
import { isAllNoexec, type Visitor, visitorOf } from "../explain/no-login.ts";
import { otherHomeAdvice } from "../jail/accounts/home-place.ts";
import { isChrootShell, type JailedUser, namesOf } from "../jail/accounts/jailed-users.ts";
import { lookUp, readJailFile } from "../jail/fs/look.ts";
import { mountAdvice } from "../jail/fs/mounted-home.ts";
import { unmountedPlaces } from "../jail/fs/unmounted.ts";
import { hostPath, type JailRoot } from "../jail/fs/walk.ts";
import { lostJail, mayHaveMoved } from "../jail/record/moved.ts";
import { followRemedy, linkedJail } from "../jail/record/named-jail.ts";
import { ifNamed } from "../system/account-name.ts";
import { namesIn } from "../system/account-tools.ts";
import { groupIdsOf, type PasswdEntry } from "../system/accounts.ts";
import { adviceAt, closeFirst, replaceLinkFirst } from "../system/exchange.ts";
import { ACCOUNT_FILE_LIMIT } from "../system/flat-accounts.ts";
import { whoseHome } from "../system/home-owner.ts";
import type { HostAccounts } from "../system/host-accounts.ts";
import { jailOfHome, livesIn, splitHome } from "../system/separator.ts";
import { recallAll } from "../users/account-record.ts";
import { isProgram, onlyRootRuns } from "../users/open-jail.ts";
import { primaryGroupFault } from "../users/primary-group.ts";
import type { AccountFacts } from "./account-facts.ts";
import type { Home } from "./files/spaces.ts";
import type { AskMeant } from "./host.ts";
import { declaredAdvice, elsewhereIn, homeMeant, plainHome, strayAdviceIn } from "./other-home.ts";
import { type CheckProblem, unreadable } from "./rules.ts";
import type { JailSettings } from "./settings.ts";

/** The shells of accounts by name; of several with one name the first counts. For jails with many users. Pure. */
export const shellsByName = (users: readonly Pick<PasswdEntry, "name" | "shell">[]) =>
  new Map(users.toReversed().map(({ name, shell }) => [name, shell]));

/** The accounts of a jail, from its passwd and group. */
export class AccountFiles {
  /** The files that cannot be read. */
  readonly problems: CheckProblem[] = [];
  readonly accounts: readonly Pick<PasswdEntry, "name" | "uid" | "gid" | "home" | "shell">[];
  readonly #root: JailRoot;
  readonly #passwd: readonly ByteString[];
  readonly #group: readonly ByteString[];
  readonly #primaryGroups: ReadonlyMap<number, number>;
  readonly #host: HostAccounts;
  readonly #knownUids = new Map<number, boolean>();
  #names: ReadonlyMap<number, ByteString> | undefined;

  constructor(root: JailRoot, host: HostAccounts) {
    this.#root = root;
    this.#host = host;
    this.#passwd = this.#lines("/etc/passwd");
    this.#group = this.#lines("/etc/group");
    // A line with another mistake counts too: its home still belongs to a user.
    this.accounts = this.#passwd.flatMap((line) => {
      const [name = "", , uid = "", gid = "", , home = "", shell = ""] = line.split(":");
      return name !== "" && /^\d+$/.test(uid)
        ? [{ name, uid: Number(uid), gid: Number(gid), home, shell }]
        : [];
    });
    this.#primaryGroups = new Map(this.accounts.map(({ uid, gid }) => [uid, gid]));
  }

  /** The homes of its accounts; `users` are the users of the host who live in the jail. */
  homes(users: readonly JailedUser[]): Home[] {
    const confirmed = namesOf(users);
    return this.accounts
      .filter(({ uid }) => uid !== 0)
      .map(({ name, home }) => ({ path: plainPath(home), confirmed: confirmed.has(name) }));
  }

  /**
   * With what jk_chrootsh.ini lets others write: the homes of the users of the host who live in the jail, and of a home that
   * several have, what it lets all of them. A home that holds that of another account is none: others could exchange that.
   */
  withRelaxedHomes(settings: JailSettings, users: readonly JailedUser[]): JailSettings {
    const relaxed = chrootshSettings(this.#host);
    const owners = Map.groupBy(users, ({ home }) => hostPath(this.#root, splitHome(home)?.home ?? "/"));
    const allows = (path: ByteString, key: keyof ChrootshSettings) =>
      (owners.get(path) ?? []).every(({ name }) => {
        const user = answered(() => this.#host.userByName(name));
        // Other login shells do not read it.
        return user !== undefined && isChrootShell(user.shell) && answered(() => relaxed(user)[key]) === true;
      });
    const homes = [
      ...owners.keys(),
      ...this.accounts.map(({ home }) => hostPath(this.#root, plainPath(home))),
    ];
    const around = new Set(homes.flatMap((home) => pathsDownTo(home).slice(0, -1)));
    const isHome = (path: ByteString) => owners.has(path) && !around.has(path);
    return {
      ...settings,
      writableForGroup: (path) =>
        settings.writableForGroup(path) || (isHome(path) && allows(path, "relaxHomeGroupPermissions")),
      writableForOthers: (path) =>
        settings.writableForOthers(path) || (isHome(path) && allows(path, "relaxHomeOtherPermissions")),
    };
  }

  /** The users of the host who live in the jail, as they log in. */
  visitors(users: readonly JailedUser[]): Visitor[] {
    const shells = shellsByName(this.accounts);
    return users.flatMap(({ name }) => {
      const user = this.#host.userByName(name);
      return user === undefined ? [] : [visitorOf(user, shells.get(name) ?? "")];
    });
  }

  primaryGroup(uid: number): number | undefined {
    return this.#primaryGroups.get(uid);
  }

  /** True if an account of the jail or of the host has or may have this uid; the host is asked once for each. */
  hasUid(uid: number): boolean {
    return this.#knownUids.getOrInsertComputed(
      uid,
      () => this.#primaryGroups.has(uid) || (answered(() => this.#host.userByUid(uid) !== undefined) ?? true),
    );
  }

  /** The name for a uid in the jail, else on the host. */
  nameOf(uid: number): ByteString | undefined {
    this.#names ??= new Map(this.accounts.toReversed().map((one) => [one.uid, one.name]));
    return this.#names.get(uid) ?? answered(() => this.#host.userByUid(uid)?.name);
  }

  /** The facts for the rules about accounts. */
  facts(verbose: (line: ByteString) => void, meantOf: AskMeant): AccountFacts {
    const root = this.#root;
    const host = this.#host;
    // Thousands of accounts have the same shell.
    const shells = new Map<ByteString, Stat | undefined>();
    const shellAt = (path: ByteString) =>
      shells.getOrInsertComputed(path, () => lookInJail(root, path, true));
    let local: ReadonlySet<ByteString> | undefined;
    const isLocal = (name: ByteString) => {
      local ??= new Set(namesIn("/etc/passwd"));
      return local.has(name);
    };
    let recalled: ReturnType<typeof recallAll> | undefined;
    let hiddenAt: ReturnType<typeof unmountedPlaces> | undefined;
    const moves = new Map<ByteString, { isHere: boolean; isRecorded: boolean }>();
    return {
      jail: root.path,
      passwd: this.#passwd,
      group: this.#group,
      edit: (file, script) => editAdvice(root, file, script),
      hostUser: (name) => ifNamed(name, host.userByName(name)),
      ...usersNumbered(root.path, this.#passwd, host),
      hostGroup: host.groupByName,
      hostGroupNumbered: host.groupByGid,
      noGroup: (user, inJail) => primaryGroupFault(user, host, () => inJail)?.remedy,
      inJail: (path) => lookInJail(root, path, false),
      programInJail: (path) => path.startsWith("/") && isExecutable(shellAt(path)),
      onlyRootRuns: (path) => {
        const stat = shellAt(path);
        return stat !== undefined && onlyRootRuns(stat);
      },
      programOnHost: (path) => path.startsWith("/") && isExecutable(statIfPresent(AT_FDCWD, path, true)),
      noexec: isAllNoexec(root),
      isGuest: uchrootGuests(root.path, host),
      relaxed: chrootshSettings(host),
      homeElsewhere(user) {
        const known = () => {
          recalled ??= recallAll(root);
          return recalled(user.name)?.home;
        };
        return elsewhereIn(root, user, known);
      },
      homeMount(home, isTheirs, give) {
        hiddenAt ??= unmountedPlaces();
        // Nothing is mounted at one that is missing, of which there may be many.
        if (lookInJail(root, home, false) === undefined) return hiddenAt(root, [home])?.remedy;
        return mountAdvice(root, home, isTheirs, give, hiddenAt);
      },
      otherHome: (user) => (isLocal(user.name) ? otherHomeAdvice(root.path, user) : ""),
      plainHome: (user) => plainHome(root.path, user, isLocal),
      mayBeHome: (path) => whoseHome(path) !== undefined,
      movedHere({ name }, from) {
        const { isHere, isRecorded } = moves.getOrInsertComputed(from, () => ({
          isHere: linkedJail(from) === root.path || mayHaveMoved(from, root.path),
          isRecorded: answered(() => lostJail(from)) !== undefined,
        }));
        if (!isHere) return undefined;
        // Without a record of the old path, nothing but accounts of /etc/passwd follows.
        return isLocal(name) || isRecorded ? followRemedy(from, root.path) : undefined;
      },
      // What a local one with a home in no jail needs is known.
      declaredHere: ({ name, home }) =>
        isLocal(name) && jailOfHome(home) === undefined
          ? undefined
          : declaredAdvice(meantOf, name, root.path),
      strayHere: (user) => strayAdviceIn(root.path, user),
      homeMeant: (line, user) => homeMeant(root.path, line, user, isLocal(user.name)),
      ...{ otherUid: meantOf.otherUid, renamed: meantOf.renamed, verbose },
    };
  }

  #lines(path: ByteString): ByteString[] {
    try {
      const bytes = readJailFile(this.#root, path, ACCOUNT_FILE_LIMIT);
      return bytes === undefined ? [] : fromBytes(bytes).split("\n");
    } catch (error) {
      this.problems.push(unreadable(this.#root.path + path, error));
      return [];
    }
  }
}

/**
 * What changes lines of an account file, where the links of the jail lead. With -i, sed(1) reads what a link leads to on the
 * host, and puts it in the place of the link: root must not take a file there that others choose.
 */
function editAdvice(root: JailRoot, file: ByteString, script: string): Advice {
  const found = answered(() => lookUp(root, file.slice(root.path.length), { follow: true }));
  const place = found === undefined ? file : hostPath(root, found.canonicalPath);
  const { remedy } = adviceAt(place, `sed -i ${shellWord(script)} ${shellWord(place)}`);
  return remedy ?? inWords(place === file ? closeFirst(file) : replaceLinkFirst(file));
}

/** True for a regular file that somebody may execute. */
export const isExecutable = (stat: Stat | undefined): boolean => stat !== undefined && isProgram(stat);

/** A file of the jail; undefined also if a symbolic link of a user is on the way. */
function lookInJail(root: JailRoot, path: ByteString, follow: boolean): Stat | undefined {
  try {
    return lookUp(root, path, { follow })?.stat;
  } catch (error) {
    if (error instanceof JailkitError) return undefined;
    throw error;
  }
}

/** The section of a file of the host for an account. Asks name services for its groups. */
export function hostSection(
  ini: IniFile,
  { name, gid }: Pick<PasswdEntry, "name" | "gid">,
  host: Pick<HostAccounts, "groupByGid" | "groupByName">,
): IniSection | undefined {
  const isMember = memberBy(() => groupIdsOf(name, gid), host.groupByName);
  return selectSection(ini, name, host.groupByGid(gid)?.name ?? "", isMember);
}

/** A file of the host; undefined if it is missing or cannot be used. */
function usableConfig(name: ByteString): IniFile | undefined {
  try {
    return loadConfig(`${CONFIG_DIRECTORY}/${name}`, { dialect: "c" });
  } catch (error) {
    // `jailkit config check` reports the error.
    if (!(error instanceof JailkitError)) throw error;
    return undefined;
  }
}

/** The settings of jk_chrootsh for an account; the built-in ones if its file cannot be used. The file is read for the first. */
function chrootshSettings(host: HostAccounts): (user: PasswdEntry) => ChrootshSettings {
  let read: { ini: IniFile | undefined } | undefined;
  return (user) => {
    read ??= { ini: usableConfig("jk_chrootsh.ini") };
    return readKeys(read.ini && hostSection(read.ini, user, host), chrootshKeys);
  };
}

/** As AccountFacts has them, of a jail with these lines in its etc/passwd. */
function usersNumbered(
  jail: ByteString,
  passwd: readonly ByteString[],
  { userByUid }: HostAccounts,
): Pick<AccountFacts, "hostUserNumbered" | "lackingUser"> {
  const hostUserNumbered = (uid: number) => answered(() => userByUid(uid));
  const lackingUser = (uid: number) => {
    const owner = hostUserNumbered(uid);
    const isThere = owner === undefined || passwd.some((line) => line.startsWith(`${owner.name}:`));
    return !isThere && livesIn(jail, owner.home) ? owner.name : undefined;
  };
  return { hostUserNumbered, lackingUser };
}

/** Tests whether jk_uchroot lets an account into a jail; nobody if its file is missing or cannot be used. */
function uchrootGuests(jail: ByteString, host: HostAccounts): AccountFacts["isGuest"] {
  const ini = usableConfig("jk_uchroot.ini");
  return ({ name, gid }) => {
    const section = ini && hostSection(ini, { name, gid }, host);
    const { allowedJails } = readKeys(section, uchrootKeys);
    return allowedJails.some((one) => plainPath(one) === jail);
  };
}
