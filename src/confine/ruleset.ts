import { basicFstat, basicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { openDirectoryPath, withFd } from "../../ffi/files.ts";
import * as L from "../../ffi/landlock.ts";
import { allowNames, DIRECTORY, ENTER, NAMED, type Names } from "../../ffi/landlock-names.ts";
import { cArgument, libc } from "../../ffi/libc.ts";
import { isIn } from "../known-programs/allow/places.ts";
import type { LeftOut } from "./directories.ts";
import { allowExecution, allowReading, type OpenPath } from "./execute.ts";
import { openFixed, openNamed } from "./named-file.ts";
import type { Confinement } from "./policy.ts";

const NAME = C.O_PATH | C.O_NOFOLLOW | C.O_CLOEXEC;

const READ = L.READ_FILE | L.READ_DIR;
const MAKE = L.MAKE_DIR | L.MAKE_REG | L.MAKE_SOCK | L.MAKE_FIFO | L.MAKE_SYM;
const WRITE = L.WRITE_FILE | L.REMOVE_DIR | L.REMOVE_FILE | MAKE;

/** What the rules of a confinement handle on a kernel with this version of Landlock; nothing before version 2. */
export function handledBy(confinement: Omit<Confinement, "limits">, version: number): L.Handled {
  const { execute, read, write, tcpConnect, tcpBind, scope } = confinement;
  const handled: L.Handled = { files: 0, ports: 0, scopes: 0 };
  if (version < L.WITH_FILES) return handled;
  if (execute !== "any") handled.files |= L.EXECUTE;
  if (read !== "all") handled.files |= READ;
  if (write !== "all") {
    handled.files |= WRITE;
    if (version >= L.WITH_TRUNCATE) handled.files |= L.TRUNCATE;
    if (version >= L.WITH_DEVICE_IOCTL) handled.files |= L.IOCTL_DEV;
  }
  if (version >= L.WITH_PORTS) {
    if (tcpConnect !== "all") handled.ports |= L.CONNECT_TCP;
    if (tcpBind !== "all") handled.ports |= L.BIND_TCP;
  }
  if (version >= L.WITH_SCOPES && scope) handled.scopes = L.SCOPE_ABSTRACT_SOCKET | L.SCOPE_SIGNAL;
  // Any rules for files deny REFER unless they allow it. Nothing that a session does needs a device, and by the refusal
  // the process sees that the rules are in force.
  const any = handled.files | handled.ports | handled.scopes;
  if (any !== 0) handled.files |= L.REFER | L.MAKE_BLOCK | L.MAKE_CHAR;
  return handled;
}

/** Directories that are readable in every session: these are among those of execute = system, too. */
export const SYSTEM_EXECUTED: Names = {
  count: 7,
  text: "/bin\0/sbin\0/lib\0/lib32\0/lib64\0/libx32\0/opt\0",
};
/**
 * These are not; and devices that every session may read and write, but the last two. /dev/log is a socket, which Landlock
 * lets everyone connect to.
 */
export const SYSTEM: Names = {
  count: 12,
  text: "/usr\0/etc\0/proc\0>dev\0/pts\0=null\0=zero\0=full\0=tty\0=ptmx\0=random\0=urandom\0",
};
/** It may be a link to what a service of the host writes. */
const RESOLVER = "/etc/resolv.conf";

/** What got no rule. */
export interface WithoutRule {
  /** Directories from which nothing may be executed. */
  execute: readonly LeftOut[];
  /** Paths of `read` and `write` that lead nowhere. */
  named: readonly LeftOut[];
}

interface NamedPath {
  path: ByteString;
  rights: number;
}

/** Rules on files, added to an open ruleset. */
class FileRules {
  readonly withoutRule: LeftOut[] = [];

  constructor(
    readonly ruleset: number,
    readonly root: number,
    readonly handled: number,
  ) {}

  /** Allows what is at an open descriptor. */
  allow(fd: number, rights: number): void {
    const isDirectory = (basicFstat(fd).mode & C.S_IFMT) === C.S_IFDIR;
    const allowed = rights & this.handled & (isDirectory ? ~0 : L.FILE_RIGHTS);
    if (allowed !== 0) L.allowBeneath(this.ruleset, allowed, fd);
  }

  /** Allows a path of the settings. */
  allowNamed(path: ByteString, rights: number, open: OpenPath): void {
    const fd = open(this.root, path);
    if (typeof fd === "number") withFd(fd, (file) => this.allow(file, rights));
    else this.leaveOut(path, fd);
  }

  leaveOut(path: ByteString, why: ByteString): void {
    for (const one of this.withoutRule) if (one.path === path) return;
    this.withoutRule.push({ path, why });
  }

  /** Allows reading the program, if it is not in what is read or written. */
  allowProgram(program: ByteString, { read, write }: Omit<Confinement, "limits">, open: OpenPath): void {
    if (read === "all" || isIn(program, read) || (write !== "all" && isIn(program, write))) return;
    const why = allowReading(this.ruleset, this.root, program, open);
    if (why !== undefined && basicStat(C.AT_FDCWD, program) !== undefined) this.leaveOut(program, why);
  }

  /**
   * Allows the system's part of what is handled, and paths of the settings without symbolic links. `executed`:
   * SYSTEM_EXECUTED has its rules.
   */
  allowTogether(executed: boolean, paths: readonly NamedPath[]): void {
    const { handled, ruleset, root } = this;
    if ((handled & (READ | WRITE)) === 0) return;
    const read = READ & handled;
    const device = (L.READ_FILE | L.WRITE_FILE | L.TRUNCATE | L.IOCTL_DEV) & handled;
    const source = (L.READ_FILE | L.IOCTL_DEV) & handled;
    const allowed = [
      read,
      read,
      read,
      0,
      read | device,
      device,
      device,
      device,
      device,
      device,
      source,
      source,
    ];
    let { text, count } = SYSTEM;
    if (!executed) {
      // They come first, since the names of the devices are in their directory.
      text = SYSTEM_EXECUTED.text + text;
      count += SYSTEM_EXECUTED.count;
      for (let i = 0; i < SYSTEM_EXECUTED.count; i++) allowed.unshift(read);
    }
    const first = count;
    for (const { path, rights } of paths) {
      if (path.includes("\0")) throw new SystemError(C.EINVAL, "a NUL byte in a path", path);
      text += `${NAMED}${path}\0`;
      allowed.push(rights & handled);
      count++;
    }
    const results = allowNames(ruleset, root, { text, count }, allowed);
    // What cannot be opened of the system gets no rule.
    if (results === undefined) this.allowOneByOne(text, first, allowed);
    else if (results.rule !== 0) throw new SystemError(results.rule, "landlock_add_rule", undefined);
    for (let i = first; i < count && !results?.isPlain; i++) {
      const named = paths[i - first];
      if (named !== undefined && results?.errorOf(i) !== 0)
        this.allowNamed(named.path, named.rights, openNamed);
    }
    if (read !== 0) this.allowResolver();
  }

  /** Names of the system, when run from source. */
  allowOneByOne(text: ByteString, count: number, allowed: readonly number[]): void {
    const names = text.split("\0");
    let directory = "";
    for (let i = 0; i < count; i++) {
      const name = names[i] ?? "";
      const path = directory + name.slice(1);
      const rights = allowed[i] ?? 0;
      if (name.startsWith(ENTER)) directory = `${path}/`;
      if (rights === 0) continue;
      const flags = NAME | (name.startsWith(DIRECTORY) ? C.O_DIRECTORY : 0);
      const fd = libc.openat(this.root, cArgument(path), flags, 0);
      if (fd >= 0) withFd(fd, (open) => L.allowBeneath(this.ruleset, rights, open));
    }
  }

  allowResolver(): void {
    const stat = basicStat(this.root, RESOLVER.slice(1));
    if (stat === undefined || (stat.mode & C.S_IFMT) !== C.S_IFLNK) return;
    const fd = openNamed(this.root, RESOLVER);
    if (typeof fd === "number") withFd(fd, (file) => this.allow(file, READ));
  }
}

/** The paths of the settings, but those that openFixed has to look at. */
function namedPaths({ read, write }: Omit<Confinement, "limits">): NamedPath[] {
  const paths: NamedPath[] = [];
  if (write === "all") return paths;
  if (read !== "all") {
    // What can be written gets a rule below.
    for (const path of read) if (!write.includes(path)) paths.push({ path, rights: READ });
  }
  const rights = READ | WRITE | L.REFER | L.TRUNCATE | L.IOCTL_DEV;
  for (const path of write) paths.push({ path, rights });
  return paths;
}

function addRules(
  ruleset: number,
  root: number,
  confinement: Omit<Confinement, "limits">,
  handled: L.Handled,
  program: ByteString | undefined,
): WithoutRule {
  const { execute, read, write, tcpConnect, tcpBind } = confinement;
  const rules = new FileRules(ruleset, root, handled.files);
  // Without `write`, files may be moved everywhere.
  if (write === "all") L.allowBeneath(ruleset, L.REFER, root);
  // Without `write`, a session may exchange what the next one reads.
  const open = write === "all" ? openFixed : openNamed;
  const leftOut = execute === "any" ? [] : allowExecution(ruleset, root, execute, handled.files, open);
  const executed = execute !== "any" && !execute.onlyNamed && leftOut.length === 0;
  rules.allowTogether(executed, namedPaths(confinement));
  if (read !== "all" && write === "all") for (const path of read) rules.allowNamed(path, READ, open);
  if (program !== undefined) rules.allowProgram(program, confinement, open);
  if ((handled.ports & L.CONNECT_TCP) !== 0 && tcpConnect !== "all") {
    for (const port of tcpConnect) L.allowPort(ruleset, L.CONNECT_TCP, port);
  }
  if ((handled.ports & L.BIND_TCP) !== 0 && tcpBind !== "all") {
    for (const port of tcpBind) L.allowPort(ruleset, L.BIND_TCP, port);
  }
  return { execute: leftOut, named: rules.withoutRule };
}

/**
 * Applies the rules of a confinement to this process and everything that it starts, as far as the kernel's version of
 * Landlock can. `program`: a program that the settings let the session execute, and that may be outside of what it reads.
 * no_new_privs must be set. Throws SystemError.
 */
export function applyRules(
  confinement: Omit<Confinement, "limits">,
  handled: L.Handled,
  program?: ByteString,
): WithoutRule {
  return withFd(L.createRuleset(handled), (ruleset) => {
    const withoutRule = withFd(openDirectoryPath("/"), (root) =>
      addRules(ruleset, root, confinement, handled, program),
    );
    L.restrictSelf(ruleset);
    return withoutRule;
  });
}
