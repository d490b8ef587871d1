import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_PATH, S_IFDIR, S_IFMT } from "../../ffi/constants.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import { close, openAt, readLink } from "../../ffi/files.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { shellWord } from "../cli/shell-word.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import { splitHome } from "../jail/accounts/separator.ts";
import { lookUp, readJailFile } from "../jail/fs/look.ts";
import { configDirectoryFindings, jailFindings } from "../jail/fs/safety.ts";
import { hostPath, type JailRoot, openJailRoot, release, walk } from "../jail/fs/walk.ts";
import { groupByGid, type PasswdEntry, passwdByUid } from "../system/accounts.ts";
import { type AclReading, aclAt } from "../system/acl.ts";
import { ACCOUNT_FILE_LIMIT, groupNumbered, userNamed, userNumbered } from "../system/flat-accounts.ts";
import type { CallerFacts, InJailFacts, JailFact, LoginFacts, PrivilegeFact } from "./facts.ts";
import { passRemedy } from "./remedies.ts";
import { readSettings, type Settings } from "./settings.ts";
import { shellFact } from "./shell.ts";

/** The configuration of jk_chrootsh. */
export const CONFIG_FILE = `${CONFIG_DIRECTORY}/jk_chrootsh.ini`;

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
  /** It is only asked about: what execve(2) would report must be tried. */
  asked: boolean;
  /** Throws, with the remedy, if the file at this path cannot be read. */
  requireReadable?: (file: ByteString) => void;
}

/** The facts of a login, and its jail. */
export interface GatheredFacts extends LoginFacts {
  /** The open jail; throws if the check jail-reachable did not pass. */
  root: () => JailRoot;
}

/** Keeps the result of the first call, also an error: a fact is gathered once, before anything changes. */
export function memoized<T>(gather: () => T): () => T {
  let result: { value: T } | { error: unknown } | undefined;
  return () => {
    if (result === undefined) {
      try {
        result = { value: gather() };
      } catch (error) {
        result = { error };
      }
    }
    if ("error" in result) throw result.error;
    return result.value;
  };
}

/** The facts of a caller, each gathered once, when it is needed. */
export function gatherCaller(caller: Caller, configFile: ByteString): CallerFacts {
  const { programName, uid, gid, userVariable } = caller;
  return {
    programName,
    uid,
    gid,
    userVariable,
    configFile,
    configDirectory: CONFIG_DIRECTORY,
    privilege: memoized(caller.privilege),
    account: memoized(caller.account),
    group: memoized(() => groupByGid(gid)),
    groups: memoized(caller.groups),
    configFindings: memoized(() => configDirectoryFindings(CONFIG_DIRECTORY)),
  };
}

/** A fact that an earlier check has shown to exist. */
export function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is not known`);
  return value;
}

/** The result of opening a jail: `root` is undefined if its path leads nowhere or through a symbolic link. */
interface OpenedJail {
  root: JailRoot | undefined;
  fact: JailFact;
}

/** Throws SystemError if this process may not search the jail, which was not needed to open it. */
function requireEntry({ fd, path }: JailRoot): void {
  try {
    close(openAt(fd, ".", O_PATH | O_DIRECTORY));
  } catch (error) {
    throw error instanceof SystemError ? new SystemError(error.errno, error.call, path) : error;
  }
}

/** Opens the jail without following symbolic links, and compares its path with the directory. */
export function openPlainly(text: ByteString): OpenedJail {
  let root: JailRoot | undefined;
  try {
    // A login may have a limit of 16 open files.
    root = openJailRoot(text, { cacheLimit: 3 });
    requireEntry(root);
  } catch (error) {
    const notPlain = ["relative-path", "link-in-jail-path", "jail-is-root"];
    if (error instanceof JailkitError && notPlain.includes(error.code)) {
      return { root: undefined, fact: { kind: "not-plain", reason: error.message, ...realPath(text) } };
    }
    if (error instanceof JailkitError || error instanceof SystemError) {
      const reason =
        error instanceof JailkitError && error.code === "no-such-jail" ? NO_SUCH_JAIL : describeError(error);
      return {
        root: undefined,
        fact: { kind: "unreachable", reason, ...reachRemedy(text, error, root?.path) },
      };
    }
    throw error;
  }
  // The only other spelling has a slash at the end.
  if (text === root.path || text === `${root.path}/`) return { root, fact: { kind: "opened" } };
  return { root, fact: { kind: "not-plain", reason: `it leads to ${root.path}`, real: root.path } };
}

/** The directory that a path leads to through symbolic links; empty if unknown. */
function realPath(path: ByteString): { real?: ByteString } {
  if (!path.startsWith("/")) return {};
  try {
    const fd = openAt(AT_FDCWD, path, O_PATH | O_DIRECTORY);
    try {
      return { real: readLink(AT_FDCWD, `/proc/self/fd/${fd}`) };
    } finally {
      close(fd);
    }
  } catch (error) {
    if (error instanceof SystemError) return {};
    throw error;
  }
}

const NO_SUCH_JAIL = "No such file or directory";

/** The remedy for a jail that cannot be reached. `opened`: the jail, if only its search permission is missing. */
function reachRemedy(
  path: ByteString,
  error: Error,
  opened: ByteString | undefined,
): { remedy?: ByteString } {
  if (error instanceof JailkitError && error.code === "no-such-jail")
    return { remedy: `jailkit adopt --moved ${shellWord(path)}` };
  if (!isErrno(error, "EACCES") || error.path === undefined) return {};
  return { remedy: passRemedy(opened ?? directoryOf(error.path)) };
}

function onlyRootExchangesHome(root: JailRoot, home: ByteString): boolean {
  try {
    const directory = walk(root, directoryOf(home));
    release(directory);
    return directory.trusted;
  } catch (error) {
    if (error instanceof SystemError || error instanceof JailkitError) return false;
    throw error;
  }
}

function homeAcl(root: JailRoot, home: ByteString): AclReading {
  const directory = walk(root, home);
  try {
    return aclAt(directory.fd, ".");
  } finally {
    release(directory);
  }
}

function homeObstacle(root: JailRoot, home: ByteString): ReturnType<LoginFacts["homeObstacle"]> {
  const found = lookUp(root, home);
  if (found === undefined) return { reason: "No such file or directory" };
  if ((found.stat.mode & S_IFMT) !== S_IFDIR) return { reason: "Not a directory" };
  const directory = walk(root, home);
  try {
    close(openAt(directory.fd, ".", O_PATH | O_DIRECTORY));
    return undefined;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const { reason } = error;
    return isErrno(error, "EACCES") ? { reason, closed: hostPath(root, found.canonicalPath) } : { reason };
  } finally {
    release(directory);
  }
}

/** The text of an account file of the jail; empty if it is missing. Throws SystemError (EFBIG, EINVAL). */
function accountFile(root: JailRoot, path: ByteString): ByteString {
  const bytes = readJailFile(root, path, ACCOUNT_FILE_LIMIT);
  return bytes === undefined ? "" : fromBytes(bytes);
}

/** The facts of a login, each gathered once, when it is needed. */
export function gatherFacts(login: Login): GatheredFacts {
  const { uid, gid, userVariable, asked, requireReadable } = login;
  const caller = gatherCaller(login, CONFIG_FILE);
  const { account, group } = caller;
  const settings = memoized((): Settings => {
    requireReadable?.(CONFIG_FILE);
    return readSettings(
      CONFIG_FILE,
      required(account(), "the user").name,
      required(group(), "the group").name,
    );
  });
  const split = memoized(() => splitHome(required(account(), "the user").home));
  const opened = memoized(() => openPlainly(required(split(), "the jail").jail));
  const root = () => required(opened().root, "the jail");
  const home = () => required(split(), "the jail").home;
  const inJail = memoized((): InJailFacts => {
    for (const name of ["passwd", "group"]) requireReadable?.(`${root().path}/etc/${name}`);
    const passwd = accountFile(root(), "/etc/passwd");
    return {
      named: userNamed(passwd, required(account(), "the user").name),
      numbered: userNumbered(passwd, uid),
      group: groupNumbered(accountFile(root(), "/etc/group"), gid),
    };
  });
  return {
    ...caller,
    settings,
    split,
    jail: () => opened().fact,
    jailFindings: memoized(() => jailFindings(root())),
    home: memoized(() => lookUp(root(), home())?.stat),
    homeOwner: memoized(() => {
      const there = lookUp(root(), home())?.stat;
      return there && passwdByUid(there.uid);
    }),
    onlyRootExchangesHome: memoized(() => onlyRootExchangesHome(root(), home())),
    homeAcl: memoized(() => homeAcl(root(), home())),
    homeObstacle: memoized(() => homeObstacle(root(), home())),
    inJail,
    shell: memoized(() => {
      const { injailShell } = settings().values;
      const entry = injailShell === undefined ? inJail() : undefined;
      const name = injailShell ?? (userVariable ? entry?.named : entry?.numbered)?.shell;
      return shellFact(root(), name, asked);
    }),
    root,
  };
}
