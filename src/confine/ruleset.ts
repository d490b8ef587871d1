import { basicFstat, basicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { close, openDirectoryPath, withFd } from "../../ffi/files.ts";
import * as L from "../../ffi/landlock.ts";
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

/** Directories that are readable in every session: the first are among those of execute = system, too. */
const SYSTEM_EXECUTED = ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt"];
const SYSTEM = ["usr", "etc", "proc"];
/** Devices that every session may read and write; /dev/log is a socket, which Landlock lets everyone connect to. */
const DEVICES = ["null", "zero", "full", "tty", "ptmx"];
const READ_ONLY_DEVICES = ["random", "urandom"];
const TERMINALS = "pts";
/** It may be a link to what a service of the host writes. */
const RESOLVER = "/etc/resolv.conf";

/** What got no rule. */
export interface WithoutRule {
  /** Directories from which nothing may be executed. */
  execute: readonly LeftOut[];
  /** Paths of `read` and `write` that lead nowhere. */
  named: readonly LeftOut[];
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

  /** Allows a name in an open directory. A rule for a symbolic link has no effect; with O_DIRECTORY it gets none. */
  allowIn(directory: number, name: ByteString, flags: number, rights: number): void {
    const allowed = rights & this.handled;
    if (allowed === 0) return;
    const fd = libc.openat(directory, cArgument(name), flags | NAME, 0);
    if (fd < 0) return;
    try {
      L.allowBeneath(this.ruleset, allowed, fd);
    } finally {
      close(fd);
    }
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

  /** Allows what may be read alone, and the program. What is of `write` has other rules. */
  allowRead(
    read: readonly ByteString[],
    write: readonly ByteString[],
    program: ByteString | undefined,
    open: OpenPath,
  ): void {
    for (const path of read) if (!write.includes(path)) this.allowNamed(path, READ, open);
    if (program === undefined || isIn(program, read) || isIn(program, write)) return;
    const why = allowReading(this.ruleset, this.root, program, open);
    if (why !== undefined && basicStat(C.AT_FDCWD, program) !== undefined) this.leaveOut(program, why);
  }

  /** Allows the system's part of what is handled. `executed`: SYSTEM_EXECUTED has its rules. */
  allowSystem(executed: boolean): void {
    const { handled, root } = this;
    if ((handled & READ) !== 0) {
      if (!executed) for (const name of SYSTEM_EXECUTED) this.allowIn(root, name, C.O_DIRECTORY, READ);
      for (const name of SYSTEM) this.allowIn(root, name, C.O_DIRECTORY, READ);
      this.allowResolver();
    }
    if ((handled & (READ | WRITE)) === 0) return;
    const devices = libc.openat(root, cArgument("dev"), C.O_DIRECTORY | NAME, 0);
    if (devices < 0) return;
    try {
      const both = L.READ_FILE | L.WRITE_FILE | L.TRUNCATE | L.IOCTL_DEV;
      for (const name of DEVICES) this.allowIn(devices, name, 0, both);
      for (const name of READ_ONLY_DEVICES) this.allowIn(devices, name, 0, L.READ_FILE | L.IOCTL_DEV);
      this.allowIn(devices, TERMINALS, C.O_DIRECTORY, READ | both);
    } finally {
      close(devices);
    }
  }

  allowResolver(): void {
    const stat = basicStat(this.root, RESOLVER.slice(1));
    if (stat === undefined || (stat.mode & C.S_IFMT) !== C.S_IFLNK) return;
    const fd = openNamed(this.root, RESOLVER);
    if (typeof fd === "number") withFd(fd, (file) => this.allow(file, READ));
  }
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
  rules.allowSystem(executed);
  if (read !== "all") rules.allowRead(read, write === "all" ? [] : write, program, open);
  if (write !== "all") {
    for (const path of write) {
      rules.allowNamed(path, READ | WRITE | L.REFER | L.TRUNCATE | L.IOCTL_DEV, openNamed);
    }
  }
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
