import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_PATH, S_IFDIR, S_IFMT } from "../../ffi/constants.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import { close, openAt, readLink, type Stat } from "../../ffi/files.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { shellWord } from "../cli/shell-word.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import { lookUp, readJailFile } from "../jail/look.ts";
import { configDirectoryFindings, jailFindings } from "../jail/safety.ts";
import { splitHome } from "../jail/separator.ts";
import { type JailRoot, openJailRoot, release, walk } from "../jail/walk.ts";
import { groupByGid, type PasswdEntry } from "../system/accounts.ts";
import { type AclReading, aclAt } from "../system/acl.ts";
import type { CallerFacts, InJailFacts, JailFact, LoginFacts, PrivilegeFact } from "./facts.ts";
import { ACCOUNT_FILE_LIMIT, groupNumbered, userNamed, userNumbered } from "./flat-accounts.ts";
import { type Credentials, MAY_EXECUTE, mayAccess } from "./permission.ts";
import { above, passRemedy } from "./remedies.ts";
import { readSettings, type Settings } from "./settings.ts";
import { shellFact } from "./shell.ts";

/** The configuration of jk_chrootsh. */
export const CONFIG_FILE = `${CONFIG_DIRECTORY}/jk_chrootsh.ini`;

/** Who calls a program that any user may start, and what cannot be found out in the same way for oneself and for somebody else. */
export interface Caller {
  programName: ByteString;
  uid: number;
  gid: number;
  userVariable: ByteString | undefined;
  privilege: () => PrivilegeFact;
  account: () => PasswdEntry | undefined;
  groups: () => number[];
}

/** Whose login it is. */
export interface Login extends Caller {
  /**
   * The process is not the user's own (root asks for somebody): what the user may do is worked out from permission
   * bits instead of being tried.
   */
  onBehalf: boolean;
  /** On behalf: throws where the user could not read a file of this path, as root sees it. */
  requireReadable?: (file: ByteString, who: Credentials) => void;
}

/** The facts of a login, and the jail once it was opened. */
export interface GatheredFacts extends LoginFacts {
  /** The open jail; throws where the check jail-reachable did not pass. */
  root: () => JailRoot;
}

/** Remembers what the first call gave, an error too: a fact is gathered once, before anything changes. */
export function once<T>(gather: () => T): () => T {
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

/** The facts of a caller, each gathered when it is asked for, once. */
export function gatherCaller(caller: Caller, configFile: ByteString): CallerFacts {
  const { programName, uid, gid, userVariable } = caller;
  return {
    programName,
    uid,
    gid,
    userVariable,
    configFile,
    configDirectory: CONFIG_DIRECTORY,
    privilege: once(caller.privilege),
    account: once(caller.account),
    group: once(() => groupByGid(gid)),
    groups: once(caller.groups),
    configFindings: once(() => configDirectoryFindings(CONFIG_DIRECTORY)),
  };
}

/** A fact of which an earlier check has shown that it is there. */
export function known<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is not known`);
  return value;
}

/** A jail that was opened, or not: `root` is undefined where it leads nowhere or over a link. */
export interface OpenedJail {
  root: JailRoot | undefined;
  fact: JailFact;
}

/** Opens the jail without following links, and says how its text relates to where it leads. */
export function openPlainly(text: ByteString): OpenedJail {
  let root: JailRoot;
  try {
    // A login may have a limit of 16 open files.
    root = openJailRoot(text, { cacheLimit: 3 });
  } catch (error) {
    const crooked = ["relative-path", "link-in-jail-path", "jail-is-root"];
    if (error instanceof JailkitError && crooked.includes(error.code)) {
      return { root: undefined, fact: { kind: "crooked", reason: error.message, ...realPath(text) } };
    }
    if (error instanceof JailkitError || error instanceof SystemError) {
      const reason =
        error instanceof JailkitError && error.code === "no-such-jail" ? NO_SUCH_JAIL : describeError(error);
      return { root: undefined, fact: { kind: "unreachable", reason, ...reachRemedy(text, error) } };
    }
    throw error;
  }
  // One slash at the end is the only other way to write it.
  if (text === root.path || text === `${root.path}/`) return { root, fact: { kind: "opened" } };
  return { root, fact: { kind: "crooked", reason: `it leads to ${root.path}`, real: root.path } };
}

/** Where a path leads, links followed; nothing where that cannot be told. */
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

/** What makes a jail reachable again. */
function reachRemedy(path: ByteString, error: Error): { remedy?: ByteString } {
  if (error instanceof JailkitError && error.code === "no-such-jail")
    return { remedy: `jailkit adopt --moved ${shellWord(path)}` };
  if (!isErrno(error, "EACCES") || error.path === undefined) return {};
  return { remedy: passRemedy(above(error.path)) };
}

/** The directory above the jail, or the jail, that `who` may not pass; undefined where the way is free. */
export function closedDirectory(root: JailRoot, who: Credentials): ByteString | undefined {
  const way = [...root.ancestors, { path: root.path, stat: root.top.stat }];
  return way.find(({ stat }) => !mayAccess(stat, who, MAY_EXECUTE))?.path;
}

/** The first of the directories on the way to `path` in the jail (canonical) that `who` may not pass. */
function closedBelow(root: JailRoot, path: ByteString, who: Credentials): ByteString | undefined {
  const parts = path.split("/").slice(1);
  for (let i = 1; i <= parts.length; i++) {
    const directory = `/${parts.slice(0, i).join("/")}`;
    const stat = lookUp(root, directory)?.stat;
    if (stat !== undefined && !mayAccess(stat, who, MAY_EXECUTE)) return directory;
  }
  return undefined;
}

/** The home as it stands in the jail. Throws EACCES where `who`, if given, could not look at it. */
function homeStat(root: JailRoot, home: ByteString, who: Credentials | undefined): Stat | undefined {
  const found = lookUp(root, home);
  if (found === undefined || who === undefined) return found?.stat;
  const { canonicalPath } = found;
  const closed = closedBelow(root, canonicalPath.slice(0, canonicalPath.lastIndexOf("/")) || "/", who);
  if (closed !== undefined) throw new SystemError(13, "statx", `${root.path}${closed}`);
  return found.stat;
}

function homeAcl(root: JailRoot, home: ByteString): AclReading {
  const directory = walk(root, home);
  try {
    return aclAt(directory.fd, ".");
  } finally {
    release(directory);
  }
}

function homeObstacle(
  root: JailRoot,
  home: ByteString,
  who: Credentials | undefined,
  user: () => Credentials,
): ReturnType<LoginFacts["homeObstacle"]> {
  const found = lookUp(root, home);
  if (found === undefined) return { reason: "No such file or directory" };
  if ((found.stat.mode & S_IFMT) !== S_IFDIR) return { reason: "Not a directory" };
  const closedTo = (someone: Credentials) => {
    const closed = closedBelow(root, found.canonicalPath, someone);
    return closed === undefined ? {} : { closed: `${root.path}${closed}` };
  };
  const directory = walk(root, home);
  try {
    if (who === undefined) close(openAt(directory.fd, ".", O_PATH | O_DIRECTORY));
    const { closed } = who === undefined ? {} : closedTo(who);
    return closed === undefined ? undefined : { reason: `Permission denied at ${closed}`, closed };
  } catch (error) {
    if (error instanceof SystemError) return { reason: error.reason, ...closedTo(user()) };
    throw error;
  } finally {
    release(directory);
  }
}

/** The text of an account file of the jail; empty where it is missing. Throws SystemError (EFBIG, EINVAL). */
function accountFile(root: JailRoot, path: ByteString): ByteString {
  const bytes = readJailFile(root, path, ACCOUNT_FILE_LIMIT);
  return bytes === undefined ? "" : fromBytes(bytes);
}

/** Throws where a login is somebody else's, who could not read a file. */
export function mustBeReadable(login: Login, groups: () => number[], file: ByteString): void {
  const { uid, gid, onBehalf, requireReadable } = login;
  if (onBehalf) requireReadable?.(file, { uid, gid, groups: groups() });
}

/** The facts of a login, each gathered when it is asked for, once. */
export function gatherFacts(login: Login): GatheredFacts {
  const { uid, gid, userVariable, onBehalf } = login;
  const caller = gatherCaller(login, CONFIG_FILE);
  const { account, group, groups } = caller;
  const mustRead = (file: ByteString) => mustBeReadable(login, groups, file);
  const settings = once((): Settings => {
    mustRead(CONFIG_FILE);
    return readSettings(CONFIG_FILE, known(account(), "the user").name, known(group(), "the group").name);
  });
  const split = once(() => splitHome(known(account(), "the user").home));
  const opened = once((): OpenedJail => {
    const result = openPlainly(known(split(), "the jail").jail);
    if (!onBehalf || result.root === undefined) return result;
    const closed = closedDirectory(result.root, { uid, gid, groups: groups() });
    if (closed === undefined) return result;
    const reason = `Permission denied at ${closed}`;
    return { root: result.root, fact: { kind: "unreachable", reason, remedy: passRemedy(closed) } };
  });
  // Whose rights are worked out from permission bits; for oneself they are tried.
  const judged = (): Credentials | undefined => (onBehalf ? { uid, gid, groups: groups() } : undefined);
  const root = () => known(opened().root, "the jail");
  const home = () => known(split(), "the jail").home;
  const inJail = once((): InJailFacts => {
    for (const name of ["passwd", "group"]) mustRead(`${root().path}/etc/${name}`);
    const passwd = accountFile(root(), "/etc/passwd");
    return {
      named: userNamed(passwd, known(account(), "the user").name),
      numbered: userNumbered(passwd, uid),
      group: groupNumbered(accountFile(root(), "/etc/group"), gid),
    };
  });
  return {
    ...caller,
    settings,
    split,
    jail: () => opened().fact,
    jailFindings: once(() => jailFindings(root())),
    home: once(() => homeStat(root(), home(), judged())),
    homeAcl: once(() => homeAcl(root(), home())),
    homeObstacle: once(() => homeObstacle(root(), home(), judged(), () => ({ uid, gid, groups: groups() }))),
    inJail,
    shell: once(() => {
      const { injailShell } = settings().values;
      const entry = injailShell === undefined ? inJail() : undefined;
      const name = injailShell ?? (userVariable ? entry?.named : entry?.numbered)?.shell;
      return shellFact(root(), name, judged());
    }),
    root,
  };
}
