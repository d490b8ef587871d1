import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_PATH } from "../../ffi/constants.ts";
import { attempt, isErrno, SystemError } from "../../ffi/error.ts";
import {
  close,
  openAt,
  openDirectoryPath,
  readLink,
  type Stat,
  statIfPresent,
  withFd,
} from "../../ffi/files.ts";
import { directoryOf, plainPath } from "../../ffi/paths.ts";
import { answered, describeError, isReported, JailkitError } from "../cli/error.ts";
import type { Advice } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import type { IniFile } from "../config/model.ts";
import { chrootshKeys } from "../config/schemas/chrootsh.ts";
import { confineProblem } from "../config/schemas/confine.ts";
import { isRootsPlace } from "../jail/accounts/home-place.ts";
import { isIn, lookUp, readJailFile } from "../jail/fs/look.ts";
import { mountAdvice } from "../jail/fs/mounted-home.ts";
import { configDirectoryFindings, jailFindings } from "../jail/fs/safety.ts";
import {
  closeJailRoot,
  hostPath,
  isDirectory,
  type JailRoot,
  openJailRoot,
  withDirectory,
} from "../jail/fs/walk.ts";
import { type Group, groupByGid, type PasswdEntry, userOrUnknown } from "../system/accounts.ts";
import { aclAt } from "../system/acl.ts";
import { commandAt } from "../system/exchange.ts";
import {
  ACCOUNT_FILE_LIMIT,
  flatAccounts,
  groupNumbered,
  userNamed,
  userNumbered,
  usersIn,
} from "../system/flat-accounts.ts";
import { freeName } from "../system/free-name.ts";
import { dirsEqual, splitHome } from "../system/separator.ts";
import type { Audit } from "./audit.ts";
import {
  accountOf,
  type CallerFacts,
  type InJailFacts,
  type JailFact,
  type LoginFacts,
  type PrivilegeFact,
  required,
} from "./facts.ts";
import { passRemedy, setInDirectory } from "./remedies.ts";
import { readSettings } from "./settings.ts";
import { hostLimitedShell, onlyRootExchangesIn, shellFact } from "./shell.ts";

/** The configuration of jk_chrootsh. */
export const CONFIG_FILE = `${CONFIG_DIRECTORY}/jk_chrootsh.ini`;
// The exit status of jk_chrootsh if the configuration cannot be used.
const CONFIG_STATUS = 14;

/** The caller of a program that any user may start. The functions differ for oneself and for another user. */
interface Caller {
  programName: ByteString;
  uid: number;
  gid: number;
  userVariable: ByteString | undefined;
  privilege: () => PrivilegeFact;
  account: () => PasswdEntry | undefined;
  groups: () => number[];
}

/** A login. The process has the user's rights to files. */
export interface Login extends Caller {
  /** True if the program will not be executed, as for explain: then the right to execute it is tried. */
  asked: boolean;
  /** Throws, with what to do, if the file at this path cannot be read. */
  requireReadable?: (file: ByteString) => void;
  /** The log of the program, unless it is only asked. */
  log?: Audit;
  /** Reads CONFIG_FILE, for a run that asks for thousands of users. */
  loadSettings?: () => IniFile | undefined;
  /** What such a run knows already. */
  known?: { group: Group | undefined; inJail: InJailFacts };
}

/** The facts of a login, and its jail. */
export interface GatheredFacts extends LoginFacts {
  /** The open jail; throws if the check jail-reachable did not pass. */
  root: () => JailRoot;
  /** Closes the jail, if it was opened. */
  close: () => void;
  /** The host's limited shell, which must be looked up before chroot(2). */
  hostShell: () => Stat | undefined;
}

/** Keeps the result of the first call, also an error: a fact is gathered once, before anything changes. */
export function memoized<T>(gather: () => T): () => T {
  let result: (() => T) | undefined;
  return () => {
    if (result === undefined) {
      try {
        const value = gather();
        result = () => value;
      } catch (error) {
        result = () => {
          throw error;
        };
      }
    }
    return result();
  };
}

/** The facts of a caller, each gathered once, when it is needed. */
export function gatherCaller(caller: Caller, configFile: ByteString): CallerFacts {
  return {
    ...caller,
    configFile,
    configDirectory: CONFIG_DIRECTORY,
    privilege: memoized(caller.privilege),
    account: memoized(caller.account),
    group: memoized(() => groupByGid(caller.gid)),
    groups: memoized(caller.groups),
    configFindings: memoized(() => configDirectoryFindings(CONFIG_DIRECTORY)),
  };
}

/** The result of opening a jail: `root` is undefined if its path leads nowhere or through a symbolic link. */
interface OpenedJail {
  root: JailRoot | undefined;
  fact: JailFact;
}

/** Throws SystemError if this process may not search a directory, which was not needed to open it. */
function requireEntry({ fd, path }: { fd: number; path: ByteString }): void {
  try {
    close(openAt(fd, ".", O_PATH | O_DIRECTORY));
  } catch (error) {
    throw error instanceof SystemError ? new SystemError(error.errno, error.call, path) : error;
  }
}

/** What lets accounts and the configuration follow a jail that was moved. */
const follow = (path: ByteString): Advice => `jailkit adopt --moved ${shellWord(path)}`;

/** Opens the jail without following symbolic links, and compares its path with the directory. `lost`: what to do about one that is missing. */
export function openPlainly(text: ByteString, lost: (path: ByteString) => Advice = follow): OpenedJail {
  let root: JailRoot | undefined;
  try {
    // A login may have a limit of 16 open files.
    root = openJailRoot(text, { cacheLimit: 3 });
    requireEntry(root);
  } catch (error) {
    if (root !== undefined) closeJailRoot(root);
    return { root: undefined, fact: notOpened(text, error, root?.path, lost) };
  }
  // The only other spelling has a slash at the end.
  if (text === root.path || text === `${root.path}/`) return { root, fact: { kind: "opened" } };
  return { root, fact: { kind: "not-plain", reason: `it leads to ${root.path}`, real: root.path } };
}

/** Why a jail cannot be opened. `opened`: its path, if only its search permission is missing. */
function notOpened(
  path: ByteString,
  error: unknown,
  opened: ByteString | undefined,
  lost: (path: ByteString) => Advice,
): JailFact {
  const code = error instanceof JailkitError ? error.code : "";
  if (["relative-path", "link-in-jail-path", "jail-is-root"].includes(code)) {
    return { kind: "not-plain", reason: describeError(error), real: realPath(path) };
  }
  if (code === "no-such-jail")
    return { kind: "unreachable", reason: "No such file or directory", advice: lost(path) };
  if (!isReported(error)) throw error;
  const closed = isErrno(error, "EACCES") && error.path !== undefined ? directoryOf(error.path) : undefined;
  const place = closed && (opened ?? closed);
  const advice = place === undefined ? undefined : commandAt(place, passRemedy(place));
  return { kind: "unreachable", reason: describeError(error), advice };
}

/** The directory that a path leads to through symbolic links; undefined if unknown. */
function realPath(path: ByteString): ByteString | undefined {
  if (!path.startsWith("/")) return undefined;
  return attempt(() => withFd(openDirectoryPath(path), (fd) => readLink(AT_FDCWD, `/proc/self/fd/${fd}`)));
}

function homeObstacle(root: JailRoot, home: ByteString): ReturnType<LoginFacts["homeObstacle"]> {
  const found = lookUp(root, home);
  if (found === undefined) return { reason: "No such file or directory" };
  if (!isDirectory(found.stat)) return { reason: "Not a directory" };
  return withDirectory(root, home, (directory) => {
    try {
      requireEntry(directory);
      return undefined;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      const { reason } = error;
      return isErrno(error, "EACCES") ? { reason, closed: hostPath(root, found.canonicalPath) } : { reason };
    }
  });
}

/** Whether /etc/passwd has an account; if it cannot be read, as most have it. */
const isLocal = (name: ByteString): boolean =>
  attempt(() => flatAccounts.userByName(name) !== undefined) ?? true;

/** The text of an account file of the jail; empty if it is missing. Throws SystemError (EFBIG, EINVAL). */
function accountFile(root: JailRoot, path: ByteString): ByteString {
  const bytes = readJailFile(root, path, ACCOUNT_FILE_LIMIT);
  return bytes === undefined ? "" : fromBytes(bytes);
}

/** As LoginFacts says of homeOwner; `there`: the home, if it exists. */
function homeOwner(
  root: JailRoot,
  account: PasswdEntry,
  home: ByteString,
  there: Stat | undefined,
): ReturnType<LoginFacts["homeOwner"]> {
  if (there?.uid === account.uid) return account;
  const users = attempt(() => usersIn(accountFile(root, "/etc/passwd")));
  if (users === undefined) return "unknown";
  for (const one of users)
    if (one.uid !== account.uid && one.name !== account.name && dirsEqual(one.home, home))
      return { ...one, home: account.home };
  return there && userOrUnknown(there.uid);
}

/** The facts of a login, each gathered once, when it is needed. */
export function gatherFacts(login: Login): GatheredFacts {
  const { uid, gid, userVariable, asked, requireReadable, log, loadSettings, known } = login;
  const gathered = gatherCaller(login, CONFIG_FILE);
  const caller = known === undefined ? gathered : { ...gathered, group: () => known.group };
  const settings = memoized(() => {
    requireReadable?.(CONFIG_FILE);
    return readSettings(caller, chrootshKeys, confineProblem, CONFIG_STATUS, log, loadSettings);
  });
  const split = memoized(() => splitHome(accountOf(caller).home));
  const own = memoized(() => isLocal(accountOf(caller).name));
  const lost = (path: ByteString) => (own() ? follow(path) : setInDirectory(accountOf(caller).name));
  let found: OpenedJail | undefined;
  const opened = memoized(() => (found = openPlainly(required(split(), "the jail").jail, lost)));
  const root = () => required(opened().root, "the jail");
  const home = () => required(split(), "the jail").home;
  const homeStat = memoized(() => lookUp(root(), home())?.stat);
  const hostShell = memoized(() => hostLimitedShell(accountOf(caller).shell));
  const readEntries = (): InJailFacts => {
    for (const name of ["passwd", "group"]) requireReadable?.(`${root().path}/etc/${name}`);
    const passwd = accountFile(root(), "/etc/passwd");
    return {
      named: userNamed(passwd, accountOf(caller).name),
      numbered: userNumbered(passwd, uid),
      group: groupNumbered(accountFile(root(), "/etc/group"), gid),
    };
  };
  const inJail = known === undefined ? memoized(readEntries) : () => known.inJail;
  return {
    ...caller,
    settings,
    isLocal: own,
    split,
    jail: () => opened().fact,
    close: () => found?.root && closeJailRoot(found.root),
    jailFindings: memoized(() => jailFindings(root())),
    home: homeStat,
    homeOwner: memoized(() => homeOwner(root(), accountOf(caller), home(), homeStat())),
    onlyRootExchanges: (place) => onlyRootExchangesIn(root(), place),
    homeMount: (isTheirs, give) => mountAdvice(root(), plainPath(home()), isTheirs, give),
    isRootsPlace: (place) =>
      answered(() => isRootsPlace(place, (path) => lookUp(root(), path)?.stat)) ?? false,
    // The host's paths mean nothing after chroot(2).
    homeAside: () => hostPath(root(), freeName(plainPath(home()), ".old", isIn(root()))),
    isHomeOutside() {
      const there = attempt(() => statIfPresent(AT_FDCWD, plainPath(home())));
      return there !== undefined && there.uid === accountOf(caller).uid && isDirectory(there);
    },
    homeAcl: memoized(() => withDirectory(root(), home(), ({ fd }) => aclAt(fd, "."))),
    homeObstacle: memoized(() => homeObstacle(root(), home())),
    inJail,
    shell: memoized(() => {
      const { injailShell } = settings().values;
      const entry = injailShell === undefined ? inJail() : undefined;
      const name = injailShell ?? (userVariable ? entry?.named : entry?.numbered)?.shell;
      return shellFact(root(), name, asked, hostShell());
    }),
    root,
    hostShell,
  };
}
