import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { attempt, SystemError } from "../../ffi/error.ts";
import { close, fstat, isMissing, openAt, openIfPresent, statIfPresent, withFd } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { normalPath } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import { answered, JailkitError } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { jailOf } from "../config/schemas/catalogue.ts";
import { ownRemedy, unsafeBecause } from "../config/trusted.ts";
import { isOfSystem, type UnsafeDirectory } from "../confine/directories.ts";
import { canLimitExecution, canLimitServers } from "../confine/execute.ts";
import { grantedBy, viewExecution } from "../confine/execute-view.ts";
import { lackingHere } from "../confine/kernel.ts";
import { whyWithoutRule } from "../confine/named-file.ts";
import { absentFault } from "../declaration/compare/absent.ts";
import { jailSideRemedy } from "../enter/remedies.ts";
import { type JailAccounts, readJailAccounts } from "../jail/accounts/accounts.ts";
import { jailedUsers, limitedUsers } from "../jail/accounts/jailed-users.ts";
import { closeJailRoot, openJailRoot } from "../jail/fs/walk.ts";
import { readRegistry } from "../jail/record/manifest.ts";
import { hookedRepositories, SHARED } from "../known-programs/hooked-repositories.ts";
import { executedFiles } from "../libraries/closure.ts";
import { missingFiles } from "../libraries/missing.ts";
import { copyOfKnown, ownStart, PoptReaders } from "../libraries/program-file.ts";
import { filesBelow } from "../limited-shell/files.ts";
import { namesIn } from "../system/account-tools.ts";
import { wholeGroup } from "../system/accounts.ts";
import { commandAt } from "../system/exchange.ts";
import { below } from "../system/mountinfo.ts";
import { hostGroup, hostUser, unlessRefused } from "../system/name-services.ts";
import { jailOfHome } from "../system/separator.ts";
import type { FileKind, LintWorld, UnsafeDirectory as SystemDirectory } from "./context.ts";

/** The jails of accounts and of the registry, which only root can read; `failed` gets the error of the registry. */
export function knownPaths(failed: (error: unknown) => void = () => undefined): ByteString[] {
  const paths = new Set(jailedUsers().flatMap(({ jail }) => jail ?? []));
  try {
    if (libc.geteuid() === 0) for (const path of recordedPaths([...paths])) paths.add(path);
  } catch (error) {
    if (!(error instanceof JailkitError) && !(error instanceof SystemError)) throw error;
    failed(error);
  }
  return [...paths];
}

function recordedPaths(known: readonly ByteString[]): ByteString[] {
  const { jails, damaged } = readRegistry(known);
  return [...jails.map(({ jail }) => jail.path), ...damaged.flatMap(({ error }) => error.jail ?? [])];
}

/** The same function, which answers a question that was asked before at once: sections of a file are much alike. */
export function remembering<Q extends readonly unknown[], A>(
  answer: (...question: Q) => A,
): (...question: Q) => A {
  const answers = new Map<string, A>();
  return (...question) => answers.getOrInsertComputed(JSON.stringify(question), () => answer(...question));
}

/** The file at a path below an open root directory; symbolic links lead where they lead a process in that root. */
function lookUp(root: number, path: ByteString): FileKind | undefined {
  const fd = openIfPresent(root, path, C.O_PATH, C.RESOLVE_IN_ROOT);
  if (fd === undefined) return undefined;
  const { mode } = withFd(fd, fstat);
  const format = mode & C.S_IFMT;
  const type = format === C.S_IFREG ? "file" : format === C.S_IFDIR ? "directory" : "other";
  return { type, executable: (mode & 0o111) !== 0 };
}

/**
 * Whether a path exists below a root directory, as a process in it would see; true if that is unknown, false if that
 * directory is missing.
 */
function existsIn(root: ByteString, path: ByteString): boolean {
  const found = attempt(() => {
    const fd = openIfPresent(C.AT_FDCWD, root, C.O_PATH | C.O_DIRECTORY);
    return fd !== undefined && withFd(fd, (open) => lookUp(open, path) !== undefined);
  });
  return found ?? true;
}

/** Whether a path gets a rule for `read` beside `write` alone. What does not exist, or is unknown, is another finding. */
function isExchangeable(root: ByteString, path: ByteString): boolean {
  const found = answered(() => [false, true].map((fixed) => whyWithoutRule(root, path, fixed) !== undefined));
  return found !== undefined && found[0] === false && found[1] === true;
}

/** A system directory of a root directory, by its path on the host; undefined for the directory of a user. */
function systemDirectory(root: ByteString, unsafe: UnsafeDirectory | undefined): SystemDirectory | undefined {
  if (unsafe === undefined || !isOfSystem(unsafe.path)) return undefined;
  const path = unsafe.path === "/" ? root : `${root === "/" ? "" : root}${unsafe.path}`;
  const stat = statIfPresent(C.AT_FDCWD, path);
  if (stat === undefined) return undefined;
  const because = unsafeBecause(stat, path) ?? unsafe.because;
  return { path, because, remedy: ownRemedy(path, stat) };
}

/** The answers about the key execute of jk_lsh.ini in the root directory `path`, which is open as `root`. */
function executionIn(root: number, path: ByteString): Pick<LintWorld, "execution" | "grantedBy"> {
  return {
    grantedBy: remembering((program) => grantedBy(root, program)),
    execution: remembering((named, executables) => {
      if (!canLimitExecution()) return undefined;
      const { leftOut, mayExecute, unsafeFor } = viewExecution(root, { named, executables, home: "/" });
      return {
        limitsServers: canLimitServers(),
        leftOut: leftOut.map((one) => ({ ...one, unsafe: systemDirectory(path, one.unsafe) })),
        blocked: remembering((program) => {
          const blocked = executedFiles(path, program).find((one) => !mayExecute(one));
          if (blocked === undefined) return undefined;
          return { path: blocked, unsafe: systemDirectory(path, unsafeFor(blocked)) };
        }),
      };
    }),
  };
}

/** The repositories of users, in their homes and in /srv. */
function repositoriesOf(
  root: number,
  users: () => readonly { name: ByteString; home: ByteString }[],
): LintWorld["hookedRepositories"] {
  const found = new Map<ByteString | undefined, ReturnType<typeof hookedRepositories>>();
  return (user) =>
    found.getOrInsertComputed(user, () => {
      const own = users().filter(({ name }) => user === undefined || name === user);
      return hookedRepositories(root, [...own.map(({ home }) => home), SHARED]);
    });
}

type Accounts =
  | "userExists"
  | "otherName"
  | "groupExists"
  | "isOutside"
  | "groupOutside"
  | "groupRefusal"
  | "userNames"
  | "groupNames"
  | "hookedRepositories";

const hostAccounts = (root: number): Pick<LintWorld, Accounts> => ({
  // Also if a name service does not answer: its users are no mistakes.
  userExists: (name) => answered(() => hostUser(name) !== undefined) ?? true,
  groupExists: (name) => answered(() => hostGroup(name) !== undefined) ?? true,
  otherName(name) {
    const own = answered(() => hostUser(name)?.name);
    return own === name ? undefined : own;
  },
  groupRefusal: (name) => answered(() => unlessRefused(() => hostGroup(name)))?.refusal,
  isOutside: () => false,
  groupOutside: () => undefined,
  userNames: () => namesIn("/etc/passwd"),
  groupNames: () => namesIn("/etc/group"),
  hookedRepositories: repositoriesOf(root, limitedUsers),
});

/** See LintWorld. */
function groupOutside(
  name: ByteString,
  jail: ByteString,
  users: JailAccounts["users"],
): ReturnType<LintWorld["groupOutside"]> {
  const group = answered(() => hostGroup(name));
  if (group === undefined) return undefined;
  const members = wholeGroup(group.gid)?.members ?? [];
  const member = users.find((user) => user.gid === group.gid || members.includes(user.name));
  const isKnown = member !== undefined && answered(() => hostUser(member.name)) !== undefined;
  return { command: isKnown ? jailSideRemedy(jail, member.name) : undefined };
}

function jailAccounts(root: number, jail: ByteString, accounts: JailAccounts): Pick<LintWorld, Accounts> {
  return {
    userExists: (name) => accounts.userByName(name) !== undefined,
    groupExists: (name) => accounts.groupByName(name) !== undefined,
    otherName: () => undefined,
    groupRefusal: () => undefined,
    isOutside: (name) => answered(() => hostUser(name) !== undefined) ?? true,
    groupOutside: (name) => groupOutside(name, jail, accounts.users),
    userNames: () => accounts.users.map(({ name }) => name),
    groupNames: () => accounts.groups.map(({ name }) => name),
    hookedRepositories: repositoriesOf(root, () => accounts.users),
  };
}

/** See LintWorld. Of programs that only root can read, nobody else knows it. */
function whyNotStarted(
  jail: ByteString | undefined,
  program: ByteString,
): ReturnType<LintWorld["startFault"]> {
  const [lack] = jail === undefined || libc.geteuid() !== 0 ? [] : missingFiles(jail, program);
  if (jail === undefined || lack === undefined) return undefined;
  const isHere = lack.copy.every((one) => attempt(() => statIfPresent(C.AT_FDCWD, one, true)) !== undefined);
  const command: Remedy = `jk_cp -j ${shellWord(jail)} ${operands(...lack.copy)}`;
  return { why: display(lack.message), command: isHere ? command : undefined };
}

/** See LintWorld. A jail that has a record, or in which users live, may be wanted: `jailkit list` has the commands for each case. */
function absence(
  path: ByteString,
  known: readonly ByteString[],
  whyAbsent: typeof absentFault,
): ReturnType<LintWorld["absence"]> {
  const around = known.filter((one) => below(path, one) !== undefined);
  const jail = around.sort((a, b) => b.length - a.length)[0];
  const shown = jail === undefined ? quoted(path) : `the jail ${quoted(jail)}`;
  const fault = answered(() => whyAbsent(jail ?? path));
  if (fault !== undefined) return { ...fault, message: `${shown}: ${fault.message}` };
  if (jail === undefined || !isMissing(jail)) return undefined;
  const message = `${shown} does not exist; this shows what can be done: jailkit list ${shellWord(jail)}`;
  return { code: "no-such-path", message, remedy: undefined };
}

/**
 * The host, or the jail that the file is in; leaving the scope of a `using` closes it. `whyAbsent`: absentFault, which searches for
 * jails, or one that remembers its answers.
 */
export function openWorld(file: ByteString, whyAbsent = absentFault): LintWorld & Disposable {
  using opened = new DisposableStack();
  const jail = jailOf(file);
  const path = jail ?? "/";
  const root = opened.adopt(openAt(C.AT_FDCWD, path, C.O_PATH | C.O_DIRECTORY), close);
  const popt = opened.use(new PoptReaders(path));
  const tree = jail === undefined ? undefined : opened.adopt(openJailRoot(jail), closeJailRoot);
  const accounts = tree === undefined ? hostAccounts(root) : jailAccounts(root, path, readJailAccounts(tree));
  const files = filesBelow(root, "/", () => undefined);
  const all = opened.move();
  let known: ByteString[] | undefined;
  const jails = () => (known ??= knownPaths());
  return {
    ...accounts,
    ...executionIn(root, path),
    lookUp: remembering((program) => lookUp(root, program)),
    files: {
      readLink: remembering(files.readLink),
      identity: remembering(files.identity),
      look: remembering(files.look),
    },
    readsPopt: (program) => popt.readsPopt(program),
    ownStart: remembering((program) => ownStart(path, program)),
    copyOfKnown: remembering((program) => copyOfKnown(path, program)),
    copyCommand(program) {
      const onHost = jail && attempt(() => statIfPresent(C.AT_FDCWD, program, true));
      return onHost ? `jk_cp -j ${shellWord(jail)} ${shellWord(program)}` : undefined;
    },
    executableCommand(program) {
      const place = `${jail ?? ""}${program}`;
      return commandAt(place, `chmod a+x ${shellWord(place)}`);
    },
    startFault: remembering((program) => whyNotStarted(jail, program)),
    jails,
    absence: (one) => (jail === undefined ? absence(normalPath(one), jails(), whyAbsent) : undefined),
    jailsOf(section) {
      const home = answered(() => hostUser(section)?.home);
      const own = home === undefined ? undefined : jailOfHome(home);
      return own === undefined ? jails() : [own];
    },
    exists: (one, where = path) => existsIn(where, one),
    exchangeable: (one, where = path) => isExchangeable(where, one),
    lacking: lackingHere,
    [Symbol.dispose]: () => all.dispose(),
  };
}
